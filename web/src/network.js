// The worker, as functions that return promises.

let worker;
let last = 0;
const waiting = new Map();

function start() {
  worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  worker.onmessage = ({ data: { id, news, result, error } }) => {
    const call = waiting.get(id);
    if (news) return call?.onNews?.(news);
    waiting.delete(id);
    if (error === undefined) call?.resolve(result);
    else call?.reject(new Error(error));
  };
  worker.onerror = (event) => stop(new Error(event.message || "The worker could not start."));
}

function stop(error) {
  worker?.terminate();
  worker = undefined;
  for (const { reject } of waiting.values()) reject(error);
  waiting.clear();
}

function call(job, wish, onNews) {
  if (!worker) start();
  const id = ++last;
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject, onNews });
    worker.postMessage({ id, job, ...wish });
  });
}

/** Loads the model; afterwards the others may be called. */
export function load(want, onNews) {
  stop(new Error("The model is loaded again."));
  return call("load", { want }, onNews);
}

export const parse = (photo, onNews) => call("parse", photo, onNews);
export const fullMask = (size) => call("fullMask", size);
export const retouch = (tints) => call("retouch", { tints });
