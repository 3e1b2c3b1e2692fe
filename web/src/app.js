// The page: what the user does, and what is shown.

import { takePhoto } from "./camera.js";
import { readHex, writeHex } from "./color.js";
import * as network from "./network.js";
import { readPhoto } from "./photo.js";
import { indexPng } from "./png.js";
import { drawOverlay, measureRegions } from "./regions.js";

const OPACITY = 0.35;
const TINTED = { lips: ["upper_lip", "lower_lip"], hair: ["hair"] };

const $ = (id) => document.getElementById(id);
const photoCanvas = $("photo");
const overlayCanvas = $("overlay");

let model;
let ready; // The promise of `startModel`.
let photo; // See photo.js, with the name of its file.
let parsed; // See `parse` of worker.js.
let regions = [];
let pinned = null; // The class that stays lit.
let lit = null;
let reading = 0; // Which photo was chosen last,
let latest = 0; // and what was last wanted of one.

// Small parts count, too: 12 %, 3.5 %, 0.04 %.
const percent = (share) => `${(100 * share).toFixed(share < 0.001 ? 2 : share < 0.1 ? 1 : 0)} %`;
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

function busy(text) {
  $("drop").setAttribute("aria-busy", String(Boolean(text)));
  $("busy").hidden = !text;
  $("busy-text").textContent = text ?? "";
}

function fail(error) {
  $("error").textContent = error.message;
}

/** Does what is wanted of the photo; what is wanted later takes its place. */
async function pursue(work) {
  const turn = ++latest;
  const isLatest = () => turn === latest;
  $("error").textContent = "";
  try {
    await work(isLatest);
  } catch (error) {
    if (isLatest()) fail(error);
  }
  if (!isLatest()) return;
  busy(null);
  document.body.dataset.settled = turn; // How the tests know that this is the end.
}

function loadModel() {
  $("error").textContent = "";
  ready = startModel();
  ready.catch(fail);
}

async function startModel() {
  const want = $("backend").value;
  const onNews = ({ progress }) => photo && !parsed && busy(`Loading the model: ${Math.round(100 * progress)} %`);
  $("fact-model").textContent = "loading …";
  try {
    const loaded = await network.load(want, onNews);
    model = loaded.model;
    const threads = `${loaded.threads} thread${loaded.threads > 1 ? "s" : ""}`;
    const program = model.runtimes[loaded.backend].program.bytes;
    $("fact-model").textContent = model.name;
    $("fact-backend").textContent = loaded.backend === "webgpu" ? "GPU" : `CPU, ${threads}`;
    $("fact-size").textContent = `${megabytes(model.face.bytes)} + ${megabytes(program)} runtime`;
  } catch (error) {
    $("fact-model").textContent = "not loaded";
    const failure = new Error(`The model could not be loaded: ${error.message}`);
    if (want === "wasm") throw failure;
    fail(failure);
    $("backend").value = "wasm"; // What works everywhere.
    await startModel();
  }
}

async function show(read) {
  const turn = ++reading;
  $("error").textContent = "";
  try {
    const fresh = await read();
    if (turn !== reading) return;
    photo = fresh;
    clear();
    drawPhoto(photo.rgba);
    $("welcome").hidden = true;
    $("figure").hidden = false;
    $("drop").classList.remove("empty");
    await pursue(parseShown);
  } catch (error) {
    if (turn === reading) fail(error);
  }
}

async function parseShown(isLatest) {
  busy("Loading the model …");
  await ready;
  if (!isLatest()) return;
  busy("Looking at the face …");
  const { width, height, rgba } = photo;
  const result = await network.parse({ width, height, rgba, search: $("search").checked }, (news) => {
    if (isLatest()) busy("looks" in news ? `Searching for the face: look ${news.looks}` : `Searching for the face: loading ${Math.round(100 * news.progress)} %`);
  });
  if (!isLatest()) return;
  parsed = result;
  regions = measureRegions(rgbOf(rgba), parsed.mask, model.classes);
  showResult();
}

function rgbOf(rgba) {
  const data = new Uint8ClampedArray((rgba.length / 4) * 3);
  for (let i = 0; i < rgba.length / 4; i++) data.set(rgba.subarray(4 * i, 4 * i + 3), 3 * i);
  return data;
}

function clear() {
  [parsed, regions, pinned, lit] = [undefined, [], null, null];
  $("tip").hidden = true;
  $("status").textContent = "";
  for (const name of Object.keys(TINTED)) setStrength(name, 0);
  enable(false);
  listParts();
  $("figure").style.setProperty("--ratio", photo.width / photo.height);
  overlayCanvas.width = photo.width;
  overlayCanvas.height = photo.height;
}

function enable(on) {
  for (const id of ["save-mask", "save-photo", "show"]) $(id).disabled = !on;
  $("tints").disabled = !on;
}

function drawPhoto(rgba) {
  const { width, height } = photo;
  [photoCanvas.width, photoCanvas.height] = [width, height];
  photoCanvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(rgba), width, height), 0, 0);
}

function showResult() {
  const names = regions.map(({ name, share }) => `${name} ${percent(share)}`).join(", ");
  photoCanvas.setAttribute("aria-label", names ? `Photo with ${names}` : "Photo in which no part was found");
  const isFace = parsed.found >= 0.5;
  const time = `${(parsed.totalMs / 1000).toFixed(1)} s, ${parsed.looks} look${parsed.looks > 1 ? "s" : ""}`;
  $("status").textContent = isFace ? `${regions.length} parts found in ${time}.` : "";
  if (!isFace) fail(new Error("No face was found. A photo in which it is larger, and upright, may do."));
  $("fact-ms").textContent = `${Math.round(parsed.ms)} ms`;
  listParts();
  enable(true);
  drawMask();
}

function listParts() {
  const items = regions.map((region) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.id = region.id;
    button.setAttribute("aria-pressed", "false");
    const [color, name, share, mean] = ["i", "span", "span", "i"].map((tag) => document.createElement(tag));
    [color.className, name.className, share.className, mean.className] = ["swatch", "name", "share", "swatch mean"];
    color.style.background = writeHex(region.color);
    mean.style.background = writeHex(region.rgb);
    mean.title = `Mean colour ${writeHex(region.rgb)}`;
    name.textContent = region.name;
    share.textContent = percent(region.share);
    button.setAttribute("aria-label", `${region.name}, ${percent(region.share)} of the photo, colour ${writeHex(region.rgb)}`);
    button.append(color, name, share, mean);
    button.onpointerenter = () => light(region.id);
    button.onpointerleave = () => light(pinned);
    button.onfocus = () => light(region.id);
    button.onblur = () => light(pinned);
    button.onclick = () => pin(region.id);
    item.append(button);
    return item;
  });
  if (!items.length) {
    const hint = document.createElement("li");
    hint.className = "hint";
    hint.textContent = "Point at a part, here or in the photo, and it lights up.";
    items.push(hint);
  }
  $("parts").replaceChildren(...items);
}

function pin(id) {
  pinned = pinned === id ? null : id;
  for (const button of $("parts").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(Number(button.dataset.id) === pinned));
  }
  light(pinned);
}

function light(id) {
  if (id === lit) return;
  lit = id;
  for (const button of $("parts").querySelectorAll("button")) {
    button.classList.toggle("lit", Number(button.dataset.id) === lit);
  }
  drawMask();
}

function drawMask() {
  if (!parsed) return;
  const { width, height } = photo;
  const context = overlayCanvas.getContext("2d");
  context.clearRect(0, 0, width, height);
  if (!$("show").checked && lit === null) return;
  const rgba = drawOverlay(parsed.mask, width, model.classes, lit, OPACITY);
  context.putImageData(new ImageData(rgba, width, height), 0, 0);
}

function pointAt(event) {
  if (!parsed) return;
  const box = overlayCanvas.getBoundingClientRect();
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  const column = Math.min(Math.max(Math.floor((x / box.width) * photo.width), 0), photo.width - 1);
  const row = Math.min(Math.max(Math.floor((y / box.height) * photo.height), 0), photo.height - 1);
  const region = regions.find(({ id }) => id === parsed.mask[row * photo.width + column]);
  light(region?.id ?? pinned);
  $("tip").hidden = !region;
  if (!region) return;
  const [mean, text, name] = ["i", "span", "b"].map((tag) => document.createElement(tag));
  mean.style.background = writeHex(region.rgb);
  name.textContent = region.name;
  text.append(name, `${percent(region.share)} of the photo · ${writeHex(region.rgb)}`);
  $("tip").replaceChildren(mean, text);
  const tip = $("tip").getBoundingClientRect();
  $("tip").style.left = `${Math.max(Math.min(x + 16, box.width - tip.width - 4), 4)}px`;
  $("tip").style.top = `${y + 20 + tip.height > box.height ? y - tip.height - 12 : y + 20}px`;
}

// === Tints ===

function setStrength(name, value) {
  $(name).value = value;
  const text = `${$(name).value} %`;
  $(name).setAttribute("aria-valuetext", text);
  $(`${name}-value`).textContent = text;
}

const tints = () =>
  Object.entries(TINTED).map(([name, names]) => ({
    classes: model.classes.filter((known) => names.includes(known.name)).map(({ id }) => id),
    color: readHex($(`${name}-color`).value),
    strength: Number($(name).value) / 100,
  }));

let isTinting = false;
let wantsTint = false;

async function retouch() {
  wantsTint = true;
  if (isTinting) return; // Only the last wish counts.
  isTinting = true;
  try {
    while (wantsTint && parsed) {
      wantsTint = false;
      const [turn, wish] = [latest, tints()];
      const rgba = await network.retouch(wish);
      if (turn === latest) drawPhoto(rgba);
      photoCanvas.dataset.tinted = JSON.stringify(wish.map(({ strength }) => strength));
    }
  } catch (error) {
    fail(error);
  } finally {
    isTinting = false;
  }
}

// === Files ===

function save(blob, ending) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${photo.name ?? "face"}_${ending}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

async function saveMask() {
  const { width, height } = photo.full;
  const mask = await network.fullMask(photo.full);
  save(await indexPng(mask, width, height, model.classes.map(({ color }) => color)), "mask");
}

const savePhoto = () => photoCanvas.toBlob((blob) => save(blob, "retouched"), "image/png");

const open = (file) =>
  show(async () => ({ ...(await readPhoto(file)), name: file.name.replace(/\.[^.]*$/, "") }));

async function openExample() {
  const response = await fetch("astronaut.png");
  if (!response.ok) throw new Error("The example could not be loaded.");
  return open(new File([await response.blob()], "astronaut.png"));
}

async function openWebcam() {
  $("error").textContent = "";
  const taken = await takePhoto();
  if (taken) await show(() => ({ ...taken, name: "webcam" }));
}

// === Wiring ===

$("drop").classList.add("empty");
$("file").onchange = ({ target }) => {
  if (target.files[0]) open(target.files[0]);
  target.value = ""; // The same file may be chosen again.
};
$("example").onclick = () => openExample().catch(fail);
$("webcam").onclick = () => openWebcam().catch(fail);
$("save-mask").onclick = () => saveMask().catch(fail);
$("save-photo").onclick = savePhoto;
$("show").onchange = drawMask;
$("search").onchange = () => photo && pursue(parseShown);
$("backend").onchange = () => {
  loadModel();
  if (photo) pursue(parseShown);
};
for (const name of Object.keys(TINTED)) {
  $(name).oninput = () => {
    setStrength(name, $(name).value);
    retouch();
  };
  $(`${name}-color`).oninput = () => {
    if (Number($(name).value) === 0) setStrength(name, 70);
    retouch();
  };
}
overlayCanvas.onpointermove = pointAt;
overlayCanvas.onpointerdown = pointAt;
overlayCanvas.onpointerleave = ({ pointerType }) => {
  if (pointerType !== "mouse") return; // A finger leaves at once: what it touched stays.
  $("tip").hidden = true;
  light(pinned);
};
addEventListener("dragover", (event) => {
  event.preventDefault();
  $("drop").classList.add("over");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) $("drop").classList.remove("over");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  if (event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
});
addEventListener("paste", (event) => {
  if (event.clipboardData.files[0]) open(event.clipboardData.files[0]);
});

loadModel();

// For the tests.
export const state = () => ({ model, photo, parsed, regions });
