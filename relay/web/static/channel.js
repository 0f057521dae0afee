// What a channel to a remote signer needs (NIP-46): a passing key, events signed with it (NIP-01), and texts that only its two
// ends can read (NIP-44, version 2).

import { affine, bytes, G, hex, lift, mod, N, number, sha256, tagged, times } from "./curve.js";

const text = new TextEncoder();
const VERSION = 2;
const MOST = 200_000; // characters of a payload that are looked at

const random = (length) => crypto.getRandomValues(new Uint8Array(length));
const padded = (value) => value.toString(16).padStart(64, "0");

function join(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

// Keys and events

// A passing key in hex: 1 to N - 1.
export function newKey() {
  for (;;) {
    const made = hex(random(32));
    if (number(made) > 0n && number(made) < N) return made;
  }
}

export const publicKey = (secret) => padded(affine(times(number(secret), G))[0]);

// A signature by BIP-340, whose names these are; all in hex.
async function signature(secret, message) {
  const [x, y] = affine(times(number(secret), G));
  const d = y % 2n === 0n ? number(secret) : N - number(secret);
  const masked = padded(d ^ number(await tagged("BIP0340/aux", hex(random(32)))));
  const k0 = mod(number(await tagged("BIP0340/nonce", masked + padded(x) + message)), N);
  const [rx, ry] = affine(times(k0, G));
  const k = ry % 2n === 0n ? k0 : N - k0;
  const e = mod(number(await tagged("BIP0340/challenge", padded(rx) + padded(x) + message)), N);
  return padded(rx) + padded(mod(k + e * d, N));
}

// The draft {kind, created_at, tags, content} as an event of this key.
export async function finish(secret, draft) {
  const pubkey = publicKey(secret);
  const { kind, created_at, tags, content } = draft;
  const id = await sha256(text.encode(JSON.stringify([0, pubkey, created_at, kind, tags, content])));
  return { id, pubkey, created_at, kind, tags, content, sig: await signature(secret, id) };
}

// Texts

async function hmac(key, data) {
  const imported = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, data));
}

// What both ends have in common (HKDF-extract of the shared point's x). Raises an Error for a key that is no point.
export async function conversation(secret, pubkey) {
  const point = /^[0-9a-f]{64}$/.test(pubkey) && lift(number(pubkey));
  if (!point) throw new Error("That is no public key.");
  return hmac(text.encode("nip44-v2"), bytes(padded(affine(times(number(secret), point))[0])));
}

// The keys of one message (HKDF-expand, 76 bytes of it).
async function messageKeys(common, nonce) {
  const one = await hmac(common, join(nonce, [1]));
  const two = await hmac(common, join(one, nonce, [2]));
  const three = await hmac(common, join(two, nonce, [3]));
  const all = join(one, two, three);
  return { key: all.subarray(0, 32), start: all.subarray(32, 44), mac: all.subarray(44, 76) };
}

const rotate = (value, by) => (value << by) | (value >>> (32 - by));

function quarter(s, a, b, c, d) {
  s[a] += s[b]; s[d] = rotate(s[d] ^ s[a], 16);
  s[c] += s[d]; s[b] = rotate(s[b] ^ s[c], 12);
  s[a] += s[b]; s[d] = rotate(s[d] ^ s[a], 8);
  s[c] += s[d]; s[b] = rotate(s[b] ^ s[c], 7);
}

// ChaCha20 (RFC 8439) from block 0; enciphers and deciphers.
function chacha(key, start, data) {
  const words = (part) => Array.from({ length: part.length / 4 }, (_, at) => new DataView(part.buffer, part.byteOffset).getUint32(at * 4, true));
  const state = new Uint32Array([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, ...words(key), 0, ...words(start)]);
  const done = new Uint8Array(data.length);
  for (let at = 0; at < data.length; at += 64, state[12]++) {
    const s = new Uint32Array(state);
    for (let round = 0; round < 10; round++) {
      quarter(s, 0, 4, 8, 12); quarter(s, 1, 5, 9, 13); quarter(s, 2, 6, 10, 14); quarter(s, 3, 7, 11, 15);
      quarter(s, 0, 5, 10, 15); quarter(s, 1, 6, 11, 12); quarter(s, 2, 7, 8, 13); quarter(s, 3, 4, 9, 14);
    }
    const stream = new DataView(new ArrayBuffer(64));
    for (let each = 0; each < 16; each++) stream.setUint32(each * 4, s[each] + state[each], true);
    for (let each = 0; each < 64 && at + each < data.length; each++) done[at + each] = data[at + each] ^ stream.getUint8(each);
  }
  return done;
}

function paddedLength(length) {
  if (length <= 32) return 32;
  const power = 2 ** (Math.floor(Math.log2(length - 1)) + 1);
  const chunk = power <= 256 ? 32 : power / 8;
  return chunk * (Math.floor((length - 1) / chunk) + 1);
}

function pad(words) {
  const plain = text.encode(words);
  const { length } = plain;
  if (!length) throw new Error("There is nothing to encrypt.");
  const prefix = length < 65536 ? [length >> 8, length & 255] : [0, 0, length >>> 24, (length >> 16) & 255, (length >> 8) & 255, length & 255];
  return join(prefix, plain, new Uint8Array(paddedLength(length) - length));
}

function unpad(whole) {
  const view = new DataView(whole.buffer, whole.byteOffset, whole.length);
  const short = view.getUint16(0);
  const [from, length] = short ? [2, short] : [6, view.getUint32(2)];
  const right = length > 0 && (short || length >= 65536) && whole.length === from + paddedLength(length);
  if (!right || whole.subarray(from + length).some(Boolean)) throw new Error("The padding is wrong.");
  return new TextDecoder("utf-8", { fatal: true }).decode(whole.subarray(from, from + length));
}

// `nonce` is random; tests give one.
export async function encrypt(common, words, nonce = random(32)) {
  const { key, start, mac } = await messageKeys(common, nonce);
  const cipher = chacha(key, start, pad(words));
  const whole = join([VERSION], nonce, cipher, await hmac(mac, join(nonce, cipher)));
  return btoa(Array.from(whole, (byte) => String.fromCharCode(byte)).join(""));
}

// Raises an Error for what is no message of this channel.
export async function decrypt(common, payload) {
  if (payload.startsWith("#") || payload.length < 132 || payload.length > MOST) throw new Error("That is no message that can be read here.");
  const whole = Uint8Array.from(atob(payload), (char) => char.charCodeAt(0));
  if (whole[0] !== VERSION || whole.length < 99) throw new Error("That is no message that can be read here.");
  const [nonce, cipher, given] = [whole.slice(1, 33), whole.slice(33, -32), whole.slice(-32)];
  const { key, start, mac } = await messageKeys(common, nonce);
  const right = await hmac(mac, join(nonce, cipher));
  let differs = 0;
  for (let at = 0; at < 32; at++) differs |= right[at] ^ given[at];
  if (differs) throw new Error("The message was changed on its way.");
  return unpad(chacha(key, start, cipher));
}
