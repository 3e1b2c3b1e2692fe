// Runs the networks, searches for the face, works mattes out: off the page's thread.

import { edgeRadius, matteOf, tint } from "./effects.js";
import { cutSquare, maskToPhoto, placeSquare, resize, toBytes } from "./pixels.js";
import { findFace, uprightRoll } from "./search.js";

let model; // What model.json holds.
let ort;
let backend; // "webgpu" or "wasm".
let faceSession;
let viewSession; // A promise, once a face is searched for.
let photo; // {width, height, data}, RGB.
let parsed; // The mask of the square, and where that lies.
let mattes = new Map();

async function unpacked({ file, bytes }, onProgress) {
  const response = await fetch(new URL(file, import.meta.url));
  if (!response.ok) throw new Error(`${file} could not be loaded (${response.status}).`);
  let [loaded, kind] = [0, "gzip"];
  const counted = new TransformStream({
    transform(part, controller) {
      // Some servers say how a .gz file is packed, and then the browser unpacks it.
      if (loaded === 0 && !(part[0] === 0x1f && part[1] === 0x8b)) kind = "none";
      loaded += part.length;
      onProgress?.(Math.min(loaded / bytes, 1));
      controller.enqueue(part);
    },
  });
  const content = await new Response(response.body.pipeThrough(counted)).arrayBuffer();
  if (kind === "none") return content;
  const stream = new Blob([content]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

async function canUseGpu() {
  // Without `Suspending` the runtime for GPUs needs a program twice as large.
  if (!navigator.gpu || !("Suspending" in WebAssembly)) return false;
  try {
    return Boolean(await navigator.gpu.requestAdapter());
  } catch {
    return false;
  }
}

async function startRuntime(name, onProgress) {
  const { module, loader, program } = model.runtimes[name];
  const [library, wasmBinary] = await Promise.all([
    import(new URL(module, import.meta.url)),
    unpacked(program, onProgress),
  ]);
  ort = library;
  backend = name;
  ort.env.logLevel = "error";
  ort.env.wasm.wasmBinary = wasmBinary;
  ort.env.wasm.wasmPaths = { mjs: new URL(loader, import.meta.url).href };
  const threads = Math.min(navigator.hardwareConcurrency || 1, 4);
  ort.env.wasm.numThreads = self.crossOriginIsolated ? threads : 1;
}

const newSession = (content) =>
  ort.InferenceSession.create(new Uint8Array(content), {
    executionProviders: backend === "webgpu" ? ["webgpu", "wasm"] : ["wasm"],
  });

async function load({ want }, report) {
  model = await (await fetch(new URL("model.json", import.meta.url))).json();
  const steps = [0, 0];
  const progress = (index) => (share) => {
    steps[index] = share;
    const total = model.face.bytes + model.runtimes.wasm.program.bytes;
    const done = steps[0] * model.face.bytes + steps[1] * (total - model.face.bytes);
    report({ progress: done / total });
  };
  const content = unpacked(model.face, progress(0));
  content.catch(() => {}); // Awaited below: meanwhile it must not count as unhandled.
  if (want === "webgpu" && !(await canUseGpu())) throw new Error("this browser has no WebGPU.");
  await startRuntime(want, progress(1));
  faceSession = await newSession(await content);
  // On a GPU, much is made ready, or fails, when it first runs.
  if (want === "webgpu") await runFace(new Uint8Array(model.face.side ** 2 * 3));
  return { model, backend, threads: ort.env.wasm.numThreads };
}

function runFace(image) {
  const { side } = model.face;
  return faceSession.run({ image: new ort.Tensor("uint8", image, [1, side, side, 3]) });
}

async function parseSquare(square) {
  const { side } = model.face;
  const place = placeSquare(square, uprightRoll(model));
  const outputs = await runFace(toBytes(resize(cutSquare(photo, place), side, side).data));
  const scale = place.side / side;
  const centers = model.parts.map((_, part) => {
    const [u, v] = [0, 1].map((axis) => {
      const pixel = ((outputs.centers.data[2 * part + axis] + 1) / 2) * (side - 1);
      return (pixel + 0.5) * scale - 0.5;
    });
    return [place.cos * u - place.sin * v + place.left, place.sin * u + place.cos * v + place.top];
  });
  const [confidence, found, placed] = outputs.sure.data;
  return { confidence, found, placed, centers, place, mask: Uint8Array.from(outputs.mask.data) };
}

async function lookAt(view, report) {
  viewSession ??= unpacked(model.view, (share) => report({ progress: share })).then(newSession);
  viewSession.catch(() => (viewSession = undefined)); // To be tried again.
  const session = await viewSession;
  const { side } = model.view;
  const { sure } = await session.run({ view: new ort.Tensor("float32", view, [1, side, side, 3]) });
  const [confidence, found, center] = sure.data;
  return { confidence, found, center };
}

async function parse({ width, height, rgba, search }, report) {
  const data = new Uint8ClampedArray(width * height * 3);
  for (let i = 0; i < width * height; i++) data.set(rgba.subarray(4 * i, 4 * i + 3), 3 * i);
  photo = { width, height, data };
  mattes = new Map();
  let [looks, once, start] = [0, 0, performance.now()];
  const timedParse = async (square) => {
    const before = performance.now();
    const result = await parseSquare(square);
    looks += 1;
    once = performance.now() - before;
    return result;
  };
  const look = (view) => {
    looks += 1;
    report({ looks });
    return lookAt(view, report);
  };
  const rules = search ? model : { ...model, search: anywhere };
  parsed = await findFace(photo, rules, timedParse, look);
  const mask = maskToPhoto(parsed.mask, model.face.side, parsed.place, photo);
  return {
    mask,
    square: parsed.square,
    found: parsed.found,
    confidence: parsed.confidence,
    canvasMask: parsed.mask,
    ms: once,
    totalMs: performance.now() - start,
    looks,
  };
}

// With these limits every photo is parsed as it is framed.
const anywhere = {
  ...{ confidence: 0, found: 0, placed: 0 },
  ...{ smallest: 0, largest: 1e9, shift: 1e9, roll: 180 },
};

/** The mask at the size of the file, of which the photo may be a smaller copy. */
function fullMask({ width, height }) {
  const factor = width / photo.width;
  return maskToPhoto(parsed.mask, model.face.side, parsed.place, { width, height }, factor);
}

/** The photo, RGBA, with some classes tinted: [{classes, color, strength}]. */
function retouch({ tints }) {
  const data = photo.data.slice();
  const mask = maskToPhoto(parsed.mask, model.face.side, parsed.place, photo);
  for (const { classes, color, strength } of tints) {
    const key = classes.join();
    if (strength <= 0 || !mask.some((id) => classes.includes(id))) continue;
    if (!mattes.has(key)) {
      const radius = edgeRadius(mask, photo.width, model.parts.flatMap((part) => part.classes));
      mattes.set(key, matteOf(photo, mask, classes, radius));
    }
    tint(data, mattes.get(key), color, strength);
  }
  const rgba = new Uint8ClampedArray(photo.width * photo.height * 4).fill(255);
  for (let i = 0; i < photo.width * photo.height; i++) rgba.set(data.subarray(3 * i, 3 * i + 3), 4 * i);
  return rgba;
}

const JOBS = { load, parse, fullMask, retouch };
let queue = Promise.resolve();

// One after the other: each works on the photo that the last one left.
self.onmessage = ({ data: { id, job, ...wish } }) => {
  queue = queue.then(async () => {
    try {
      const result = await JOBS[job](wish, (news) => self.postMessage({ id, news }));
      self.postMessage({ id, result });
    } catch (error) {
      self.postMessage({ id, error: String(error?.message ?? error) });
    }
  });
};
