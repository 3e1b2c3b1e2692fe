// Lays the page out in build/, a folder that any web server serves as it is.
//
//   node build.mjs MODEL_FOLDER   (what `trainers.export --format=browser` wrote)

import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const runtime = dirname(createRequire(import.meta.url).resolve("onnxruntime-web"));
const build = join(here, "build");
const models = process.argv[2];
if (!models) throw new Error("Name the folder of the model: node build.mjs MODEL_FOLDER");

// The two flavours of ONNX Runtime: its module, its loader, and the program itself.
const FLAVOURS = {
  wasm: ["ort.wasm.min.mjs", "ort-wasm-simd-threaded"],
  webgpu: ["ort.jspi.min.mjs", "ort-wasm-simd-threaded.jspi"],
};

// Packed by hand, and unpacked by the page: not every server packs what it sends.
function pack(file, name) {
  const content = gzipSync(readFileSync(file), { level: 9 });
  writeFileSync(join(build, `${name}.gz`), content);
  return { file: `${name}.gz`, bytes: content.length };
}

cpSync(join(here, "src"), build, { recursive: true }); // Makes the folder, too.
cpSync(join(here, "space.md"), join(build, "README.md"));
for (const folder of ["runtime", "model"]) mkdirSync(join(build, folder), { recursive: true });

const runtimes = {};
for (const [name, [module, loader]] of Object.entries(FLAVOURS)) {
  for (const file of [module, `${loader}.mjs`]) cpSync(join(runtime, file), join(build, "runtime", file));
  const program = pack(join(runtime, `${loader}.wasm`), `runtime/${loader}.wasm`);
  runtimes[name] = { module: `runtime/${module}`, loader: `runtime/${loader}.mjs`, program };
}

const model = JSON.parse(readFileSync(join(models, "model.json"), "utf8"));
for (const part of [model.face, model.view]) {
  Object.assign(part, pack(join(models, part.file), `model/${part.file}`));
}
writeFileSync(join(build, "model.json"), JSON.stringify({ ...model, runtimes }));
console.log(`Built: ${build}`);
