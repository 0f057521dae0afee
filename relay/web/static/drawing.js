// Messages as the relay draws them (`/chat-pieces`): no text of a stranger is ever put together with markup here.

import { find, room, settle, steady } from "./messages.js";
import { texts, value } from "./sources.js";
import { become, holding } from "./texts.js";

const known = new Map(); // id -> event, of those that came as such
const gone = new Set(); // "<id> <key>" of what was deleted: it does not come back with what was asked for before

export async function pieces(body) {
  const headers = { "content-type": "application/json", accept: "text/html" };
  const response = await fetch("/chat-pieces", { method: "POST", headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error("The relay cannot draw this just now.");
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

function remember(events) {
  for (const event of events) known.set(event.id, event);
  for (const id of known.keys()) {
    if (known.size <= 1000) break;
    known.delete(id);
  }
}

export const recall = (id) => known.get(id);

// These are known from now on, as far as the relay has them.
export async function learn(ids) {
  const missing = ids.filter((id) => !known.has(id));
  if (missing.length) remember(await room.source.get(missing));
}

// `by`: the key that deleted it, "" for a moderator's, "?" where only the relay knows whether it was allowed.
export function forget(id, by) {
  gone.add(`${id} ${by}`);
  for (const one of gone) if (gone.size > 2000) gone.delete(one);
}

export const isGone = (id, by) => gone.has(`${id} ${by}`);

export async function draw(events) {
  remember(events);
  const answered = [...new Set(events.map((event) => value(event, "q")).filter((id) => /^[0-9a-f]{64}$/.test(id ?? "")))];
  await learn(answered.filter((id) => !known.has(id)).slice(0, 50)).catch(() => null);
  const edited = Object.fromEntries([...events.map((event) => event.id), ...answered].filter((id) => texts.has(id)).map((id) => [id, texts.get(id)]));
  const page = await pieces({ events, edited, above: answered.map(recall).filter(Boolean) });
  const drawn = Array.from(page.querySelectorAll(".message"), (item) => document.adoptNode(item));
  return drawn.filter(({ dataset: { id, pubkey } }) => !isGone(id, pubkey) && !isGone(id, ""));
}

// Draws messages again where they stand: they were edited.
export async function renew(ids) {
  await learn(ids);
  const drawn = await draw(ids.map(recall).filter(Boolean));
  steady(() => {
    for (const item of drawn) rewrite(find(item.dataset.id), item);
    settle();
  });
}

const since = (item) => Number(item.dataset.edited ?? 0); // when it was edited

export const isBehind = (item) => (texts.get(item.dataset.id)?.updated_at ?? 0) > since(item);

function rewrite(before, item) {
  if (!before || since(item) < since(before)) return;
  before.dataset.edited = item.dataset.edited ?? "";
  for (const name of [".meta", ".quote", ".prose"]) {
    const [part, other] = [before, item].map((each) => each.querySelector(name));
    if (part && other) holding(part, () => become(part, other));
  }
}
