// Whether an event is what it says: its id the hash of its content (NIP-01), its signature its author's (BIP-340).

import { affine, combine, lift, mod, N, number, P, sha256, tagged } from "./curve.js";

// All three in hex; BIP-340's own names.
export async function verify(sig, msg, pubkey) {
  const point = lift(number(pubkey));
  const [r, s] = [number(sig.slice(0, 64)), number(sig.slice(64))];
  if (!point || r >= P || s >= N) return false;
  const e = mod(number(await tagged("BIP0340/challenge", sig.slice(0, 64) + pubkey + msg)), N);
  const found = affine(combine(s, mod(-e, N), point));
  return found !== null && found[0] === r && found[1] % 2n === 0n;
}

const wellFormed = ({ id, pubkey, sig }) => /^[0-9a-f]{64}$/.test(id) && /^[0-9a-f]{64}$/.test(pubkey) && /^[0-9a-f]{128}$/.test(sig);

// {hash, signature}: whether each is right; null where this browser cannot tell (no SubtleCrypto outside HTTPS).
export async function check(event) {
  if (!globalThis.crypto?.subtle) return { hash: null, signature: null };
  if (!wellFormed(event)) return { hash: false, signature: false };
  const said = JSON.stringify([0, event.pubkey, event.created_at, event.kind, event.tags, event.content]);
  const hash = (await sha256(new TextEncoder().encode(said))) === event.id;
  return { hash, signature: await verify(event.sig, event.id, event.pubkey) };
}
