// The curve of Nostr's keys, secp256k1, and the hashes of BIP-340.
//
// BigInt arithmetic takes more or less time depending on the numbers: good for what is public, and for the passing keys of a
// channel (`channel.js`), never for a key that somebody is.

export const P = 2n ** 256n - 2n ** 32n - 977n; // the field of secp256k1
export const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n; // the order of its group
export const G = [
  0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798n,
  0x483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8n,
  1n,
]; // its generator; points are (x, y, z), standing for (x / z^2, y / z^3), and z = 0 is none
const NONE = [0n, 1n, 0n];

export const mod = (a, m = P) => ((a % m) + m) % m;
export const number = (hex) => BigInt(`0x${hex}`);
export const hex = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
export const bytes = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
export const sha256 = async (data) => hex(await crypto.subtle.digest("SHA-256", data));

export function power(base, exponent) {
  let result = 1n;
  for (let b = mod(base), e = exponent; e > 0n; e >>= 1n) {
    if (e & 1n) result = mod(result * b);
    b = mod(b * b);
  }
  return result;
}

function double([x, y, z]) {
  const yy = mod(y * y);
  const s = mod(4n * x * yy);
  const m = mod(3n * x * x);
  const x3 = mod(m * m - 2n * s);
  return [x3, mod(m * (s - x3) - 8n * yy * yy), mod(2n * y * z)];
}

function add(a, b) {
  if (a[2] === 0n) return b;
  if (b[2] === 0n) return a;
  const [za, zb] = [mod(a[2] * a[2]), mod(b[2] * b[2])];
  const [ua, ub] = [mod(a[0] * zb), mod(b[0] * za)];
  const [sa, sb] = [mod(a[1] * zb * b[2]), mod(b[1] * za * a[2])];
  if (ua === ub) return sa === sb ? double(a) : NONE;
  const h = mod(ub - ua);
  const r = mod(sb - sa);
  const hh = mod(h * h);
  const hhh = mod(h * hh);
  const v = mod(ua * hh);
  const x = mod(r * r - hhh - 2n * v);
  return [x, mod(r * (v - x) - sa * hhh), mod(a[2] * b[2] * h)];
}

// The x and y of a point; null for none.
export function affine([x, y, z]) {
  if (z === 0n) return null;
  const inverse = power(z, P - 2n);
  const square = mod(inverse * inverse);
  return [mod(x * square), mod(y * square * inverse)];
}

// a * G + b * point, both in one pass.
export function combine(a, b, point) {
  const both = add(G, point);
  let sum = NONE;
  for (let bit = 255n; bit >= 0n; bit--) {
    sum = double(sum);
    const [one, other] = [(a >> bit) & 1n, (b >> bit) & 1n];
    if (one && other) sum = add(sum, both);
    else if (one) sum = add(sum, G);
    else if (other) sum = add(sum, point);
  }
  return sum;
}

// a * point.
export function times(a, point) {
  let sum = NONE;
  for (let bit = 255n; bit >= 0n; bit--) {
    sum = double(sum);
    if ((a >> bit) & 1n) sum = add(sum, point);
  }
  return sum;
}

// The point with this x whose y is even; null when there is none.
export function lift(x) {
  if (x >= P) return null;
  const square = mod(x * x * x + 7n);
  const y = power(square, (P + 1n) / 4n);
  if (mod(y * y) !== square) return null;
  return [x, y % 2n === 0n ? y : P - y, 1n];
}

export async function tagged(tag, data) {
  const name = await sha256(new TextEncoder().encode(tag));
  return sha256(bytes(name + name + data));
}
