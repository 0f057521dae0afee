// A worker that looks for what a registration shows where the relay asks for work: a number whose hash, with the given text
// before it, begins with so many zero bits. SHA-256 stands here by itself: a browser computes hashes for pages one at a time
// and over HTTPS only.

const SOME = 50_000; // tries between two words of progress

// The cube and square roots that SHA-256 is made of, as FIPS 180-4 defines them.
const primes = [];
for (let n = 2; primes.length < 64; n++) if (primes.every((prime) => n % prime)) primes.push(n);
const fraction = (value) => ((value - Math.floor(value)) * 2 ** 32) | 0;
const K = Int32Array.from(primes, (prime) => fraction(Math.cbrt(prime)));
const START = Int32Array.from(primes.slice(0, 8), (prime) => fraction(Math.sqrt(prime)));

const w = new Int32Array(64);
const turn = (x, by) => (x >>> by) | (x << (32 - by));

function compress(state, view, at) {
  for (let i = 0; i < 16; i++) w[i] = view.getInt32(at + i * 4);
  for (let i = 16; i < 64; i++) {
    const [x, y] = [w[i - 15], w[i - 2]];
    w[i] = (w[i - 16] + (turn(x, 7) ^ turn(x, 18) ^ (x >>> 3)) + w[i - 7] + (turn(y, 17) ^ turn(y, 19) ^ (y >>> 10))) | 0;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let i = 0; i < 64; i++) {
    const t1 = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
    const t2 = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + t1) | 0, c, b, a, (t1 + t2) | 0];
  }
  for (const [i, value] of [a, b, c, d, e, f, g, h].entries()) state[i] = (state[i] + value) | 0;
}

// The first 32 bits of the hash of a text.
function hash(text) {
  const { length } = text;
  const whole = new Uint8Array(Math.ceil((length + 9) / 64) * 64);
  for (let i = 0; i < length; i++) whole[i] = text.charCodeAt(i);
  whole[length] = 0x80;
  const view = new DataView(whole.buffer);
  view.setUint32(whole.length - 4, length * 8);
  const state = START.slice();
  for (let at = 0; at < whole.length; at += 64) compress(state, view, at);
  return state[0];
}

// Takes {prefix, bits}, prefix in ASCII; tells {tries} now and then, and at last {nonce}.
addEventListener("message", ({ data: { prefix, bits } }) => {
  for (let tries = 0; ; tries++) {
    if (Math.clz32(hash(prefix + tries)) >= bits) return postMessage({ nonce: String(tries) });
    if (tries % SOME === SOME - 1) postMessage({ tries: tries + 1 });
  }
});
