// Sends files to the platform's API: small ones whole, others in chunks that survive an interruption.
import { sha256 } from "./sha256.js";

const CHUNKED_FROM = 8 * 1024 * 1024;
const IN_FLIGHT = 3;
const PAUSES_MS = [500, 2000, 5000];
const PASSING = [0, 502, 503, 504];

// An answer that is no, in the platform's words. Status 0: no answer came.
export class Refused extends Error {
  constructor(status, said) {
    super(said?.message ?? (status ? `The platform answered ${status}.` : "The platform cannot be reached."));
    this.status = status;
    this.code = said?.code ?? "";
    this.fields = said?.fields ?? {};
  }
}

export class Api {
  constructor(root, token) {
    this.root = root;
    this.token = token;
  }

  json(method, path, body, signal) {
    const type = { "Content-Type": "application/json" };
    return this.repeat(() => this.send(method, path, JSON.stringify(body), { headers: type, signal }), signal);
  }

  async put(path, blob, { signal, report }) {
    const digest = await sha256(await blob.arrayBuffer());
    const headers = { "Content-Type": "application/octet-stream", "X-Content-SHA256": digest };
    return this.repeat(() => this.send("PUT", path, blob, { headers, signal, report }), signal);
  }

  // What is asked here may be asked twice: beginning finds what was begun, a chunk that is there stays.
  async repeat(attempt, signal) {
    for (const pause of PAUSES_MS) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof Refused && PASSING.includes(error.status))) throw error;
      }
      await new Promise((resolve) => { setTimeout(resolve, pause); });
      signal?.throwIfAborted();
    }
    return attempt();
  }

  send(method, path, body, { headers = {}, signal, report } = {}) {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const request = new XMLHttpRequest(); // fetch does not tell how far a body is
      request.open(method, this.root + path);
      request.responseType = "json";
      for (const [name, value] of Object.entries({ ...headers, "X-CSRFToken": this.token })) {
        request.setRequestHeader(name, value);
      }
      const abort = () => request.abort();
      signal?.addEventListener("abort", abort);
      request.upload.onprogress = (event) => report?.(event.loaded);
      request.onabort = () => reject(signal.reason);
      request.onerror = () => reject(new Refused(0));
      request.onload = () => {
        if (request.status < 300) resolve(request.response);
        else reject(new Refused(request.status, request.response?.error));
      };
      request.onloadend = () => signal?.removeEventListener("abort", abort);
      request.send(body);
    });
  }
}

// Runs `work` over the items, a few at once; the first failure ends it.
export async function inLanes(items, work) {
  const waiting = items[Symbol.iterator]();
  const lane = async () => { for (const item of waiting) await work(item); };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
}

export const isChunked = (item) => item.unpack || item.file.size >= CHUNKED_FROM;

// An item is {file, path, upload, unpack}: `upload` is a draft's id, or null for a path under Resources/.
// `report` gets the bytes of the file that are there. While it goes in chunks, `item.incoming` is its id there.
export async function sendFile(api, item, { signal, report }) {
  if (isChunked(item)) return sendChunks(api, item, { signal, report });
  const folder = item.upload ? `uploads/${item.upload}/files/` : "files/";
  const path = item.path.split("/").map(encodeURIComponent).join("/");
  return api.put(folder + path, item.file, { signal, report });
}

async function sendChunks(api, item, { signal, report }) {
  const { file, path, upload, unpack } = item;
  const words = { path, upload, unpack, size: file.size };
  let incoming = await api.json("POST", "incoming/", words, signal);
  if (await differs(file, incoming, signal)) {
    await api.json("DELETE", `incoming/${incoming.id}/`, undefined, signal);
    incoming = await api.json("POST", "incoming/", words, signal);
  }
  item.incoming = incoming.id;
  const arrived = new Map(incoming.chunks.map(({ number }) => [number, piece(file, incoming, number).size]));
  const tell = () => report([...arrived.values()].reduce((sum, bytes) => sum + bytes, 0));
  tell();
  await inLanes(incoming.missing, async (number) => {
    const chunk = piece(file, incoming, number);
    const part = (bytes) => { arrived.set(number, Math.min(bytes, chunk.size)); tell(); };
    await api.put(`incoming/${incoming.id}/chunks/${number}/`, chunk, { signal, report: part });
    part(chunk.size);
  });
  await api.send("POST", `incoming/${incoming.id}/complete/`, undefined, { signal });
  item.incoming = null;
}

const piece = (file, incoming, number) =>
  file.slice(number * incoming.chunk_bytes, (number + 1) * incoming.chunk_bytes);

// Whether the chunks that are there came from another file of the same name and size.
async function differs(file, incoming, signal) {
  for (const { number, sha256: there } of incoming.chunks) {
    signal?.throwIfAborted();
    if (await sha256(await piece(file, incoming, number).arrayBuffer()) !== there) return true;
  }
  return false;
}
