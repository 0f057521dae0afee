// A proof, by one's own signer, of who makes a request (NIP-98): what stands in its Authorization header.

import { now } from "./clock.js";
import { signer } from "./me.js";
import { salt } from "./signing.js";

const text = new TextEncoder();

export async function proof(method, url, body) {
  if (!signer()) throw new Error("There is no Nostr extension (NIP-07) in this browser, and no remote signer is connected.");
  const tags = [["u", url], ["method", method], salt()]; // each is good once
  if (body !== undefined) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", text.encode(body)));
    tags.push(["payload", Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("")]);
  }
  const event = await signer().signEvent({ kind: 27235, created_at: now(), tags, content: "" });
  return `Nostr ${btoa(Array.from(text.encode(JSON.stringify(event)), (byte) => String.fromCharCode(byte)).join(""))}`;
}
