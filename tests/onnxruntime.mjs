// onnxruntime.mjs FOLDER: runs every NAME.onnx of the folder in onnxruntime (onnxruntime-web under node) on the points
// of NAME.x.npy. A line of JSON each: its name and what went wrong, or the largest |Δ| to NAME.y.npy over the largest |y|.
// Exit status 77: there is no onnxruntime-web.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const modules = [process.env.UNRECT_NODE_MODULES, path.join(root, "build/web/node_modules")].find(
  (place) => place && existsSync(path.join(place, "onnxruntime-web")),
);
if (!modules) {
  console.log("no onnxruntime-web in build/web/node_modules (npm install --prefix build/web onnxruntime-web)");
  process.exit(77);
}
const folder = process.argv[2];
const ort = createRequire(path.join(modules, "x"))("onnxruntime-web");
ort.env.wasm.numThreads = 1;

// A float64 .npy in C order, as unrect writes it: rows and numbers.
function npy(file) {
  const bytes = readFileSync(file);
  const end = 10 + bytes.readUInt16LE(8);
  const rows = Number(/'shape': \((\d+)/.exec(bytes.toString("latin1", 10, end))[1]);
  const numbers = new Float64Array(bytes.buffer.slice(bytes.byteOffset + end, bytes.byteOffset + bytes.length));
  return { rows, numbers };
}

async function run(base) {
  const session = await ort.InferenceSession.create(`${base}.onnx`, { logSeverityLevel: 4 });
  try {
    const [{ name, type, shape }] = session.inputMetadata;
    const x = npy(`${base}.x.npy`);
    const y = npy(`${base}.y.npy`).numbers;
    const data = type === "float64" ? x.numbers : Float32Array.from(x.numbers);
    const input = new ort.Tensor(type, data, [x.rows, ...shape.slice(1)]);
    const got = (await session.run({ [name]: input }))[session.outputNames[0]].data;
    if (got.length !== y.length) return { error: `${got.length} numbers, expected ${y.length}` };
    let apart = 0;
    let largest = 0;
    for (let i = 0; i < y.length; ++i) {
      apart = Math.max(apart, Math.abs(got[i] - y[i])); // NaN stays
      largest = Math.max(largest, Math.abs(y[i]));
    }
    return { apart: apart === 0 ? 0 : apart / largest };
  } finally {
    await session.release();
  }
}

for (const file of readdirSync(folder).filter((name) => name.endsWith(".onnx")).sort()) {
  const base = path.join(folder, file.slice(0, -5));
  const result = await run(base).catch((error) => ({ error: String(error.message ?? error) }));
  console.log(JSON.stringify({ name: file, ...result }));
}
