// SHA-256 of an ArrayBuffer as hexadecimal digits. Browsers have it built in only under https and on localhost;
// elsewhere it is computed here, after FIPS 180-4.
export async function sha256(buffer) {
  const digest = crypto.subtle ? await crypto.subtle.digest("SHA-256", buffer) : compute(buffer);
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

const fraction = (root) => Math.floor((root % 1) * 2 ** 32);
const PRIMES = [];
for (let n = 2; PRIMES.length < 64; n += 1) if (PRIMES.every((prime) => n % prime)) PRIMES.push(n);
const START = PRIMES.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));
const ROUNDS = Uint32Array.from(PRIMES, (prime) => fraction(Math.cbrt(prime)));

export function compute(buffer) {
  const state = Uint32Array.from(START);
  const words = new Uint32Array(64);
  const whole = Math.floor(buffer.byteLength / 64) * 64;
  for (const part of [new DataView(buffer, 0, whole), padded(buffer, whole)]) {
    for (let at = 0; at < part.byteLength; at += 64) mix(state, words, part, at);
  }
  const digest = new DataView(new ArrayBuffer(32));
  state.forEach((word, index) => digest.setUint32(index * 4, word));
  return digest.buffer;
}

// What is left after the last whole block, a one, zeros, and the length in bits.
function padded(buffer, whole) {
  const rest = buffer.byteLength - whole;
  const tail = new Uint8Array(rest < 56 ? 64 : 128);
  tail.set(new Uint8Array(buffer, whole));
  tail[rest] = 0x80;
  const view = new DataView(tail.buffer);
  view.setUint32(tail.length - 8, Math.floor(buffer.byteLength / 2 ** 29));
  view.setUint32(tail.length - 4, (buffer.byteLength * 8) >>> 0);
  return view;
}

const turn = (word, by) => (word >>> by) | (word << (32 - by));

function mix(state, words, part, at) {
  for (let i = 0; i < 16; i += 1) words[i] = part.getUint32(at + i * 4);
  for (let i = 16; i < 64; i += 1) {
    const early = words[i - 15];
    const late = words[i - 2];
    const s0 = turn(early, 7) ^ turn(early, 18) ^ (early >>> 3);
    const s1 = turn(late, 17) ^ turn(late, 19) ^ (late >>> 10);
    words[i] = (words[i - 16] + s0 + words[i - 7] + s1) | 0;
  }
  // One variable for each word: an array here makes it three times slower.
  let a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
  for (let i = 0; i < 64; i += 1) {
    const choice = (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g));
    const first = (h + choice + ROUNDS[i] + words[i]) | 0;
    const second = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g; g = f; f = e; e = (d + first) | 0;
    d = c; c = b; b = a; a = (first + second) | 0;
  }
  state[0] += a; state[1] += b; state[2] += c; state[3] += d;
  state[4] += e; state[5] += f; state[6] += g; state[7] += h;
}
