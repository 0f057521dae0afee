// What keeping knowledge sends (kind 30818, NIP-54): a signed event, by the relay over HTTP or by one's own signer.

import { api } from "./api.js";
import { either } from "./signing.js";
import { now } from "./wire.js";

// A title as the `d` tag of NIP-54, as `relay.protocol.wiki.normalized` makes it.
function named(title) {
  const joined = title.normalize("NFC").toLowerCase().split(/\s+/).filter(Boolean).join("-").normalize("NFC");
  return joined.replace(/[^\p{L}\p{M}\p{N}-]/gu, "").replace(/-+/g, "-").replace(/^-|-$/g, "");
}

// `before` is the version that this one takes the place of: {name, pubkey, at, since}; without it, the article is new.
export function keep({ title, content, tags, source }, before) {
  const body = { title, content, tags, ...(source && { source }), ...(before && { identifier: before.name }) };
  const draft = {
    kind: 30818,
    content,
    created_at: Math.max(now(), (before?.at ?? 0) + 1),
    tags: [
      ["d", before?.name ?? named(title)],
      ["title", title],
      ...tags.map((tag) => ["t", tag]),
      ...(source ? [["source", source]] : []),
      ...(before ? [["published_at", String(before.since)]] : []),
    ],
  };
  const call = async () => (await api("POST", "/knowledge", body)).document.event;
  return either(draft, call, before && [before.pubkey]);
}

// `article` is {id, pubkey, kind, name}.
export function forget({ id, pubkey, kind, name }) {
  const draft = { kind: 5, tags: [["e", id], ["a", `${kind}:${pubkey}:${name}`], ["k", String(kind)]] };
  return either(draft, async () => (await api("DELETE", `/knowledge/${id}`)).event, [pubkey]);
}
