// What happens in a room while one reads it: messages, edits, reactions and deletions. What comes together is drawn together.

import { draw, forget, isBehind, isGone, recall, renew } from "./drawing.js";
import { atEnd, find, items, place, room, seen, settle, steady, tellUnseen, toEnd } from "./messages.js";
import { count } from "./reactions.js";
import { edit, said, value } from "./sources.js";
import { takeOut } from "./texts.js";
import { now } from "./wire.js";

const SPREAD = 60; // milliseconds; what arrives in them is drawn together

const news = document.getElementById("news");
const arriving = new Map();
const stale = new Set(); // ids whose reactions are counted anew
const outdated = new Set(); // ids whose text is
const anew = new Set(); // "<key> <second>" of messages that their authors deleted: what they say of that second is an edit
let timer = 0;

export function take(event) {
  if (event.kind === 9) {
    if (anew.has(`${event.pubkey} ${event.created_at}`)) edit(event.id, event.content, now());
    arriving.set(event.id, event);
  } else if (event.kind === 1010) changed(event);
  else if (event.kind === 7) stale.add(event.tags.findLast((tag) => tag[0] === "e")?.[1]);
  else if (event.kind === 5 || event.kind === 9005) steady(() => leave(event));
  if (!timer) timer = setTimeout(work, SPREAD);
}

function changed(event) {
  const id = value(event, "e");
  const author = find(id)?.dataset.pubkey ?? (arriving.get(id) ?? recall(id))?.pubkey;
  if (author !== event.pubkey) return;
  edit(id, event.content, event.created_at);
  outdated.add(id);
}

function leave(event) {
  for (const id of event.tags.filter((tag) => tag[0] === "e").map((tag) => tag[1])) {
    const item = find(id);
    const reaction = said.get(id);
    arriving.delete(id);
    forget(id, event.kind === 9005 ? "" : event.pubkey);
    if (event.isUnsure) forget(id, "?");
    if (item && item.dataset.pubkey === event.pubkey) anew.add(`${event.pubkey} ${item.dataset.at}`);
    if (item && (event.kind === 9005 || item.dataset.pubkey === event.pubkey)) takeOut(item);
    else if (item && event.isUnsure) look(item);
    else if (reaction?.pubkey === event.pubkey) {
      stale.add(reaction.of);
      said.delete(id);
    } else if (!item && (event.isUnsure || value(event, "k") === "7")) for (const each of items().slice(-100)) stale.add(each.dataset.id);
  }
  settle();
}

// It goes if the relay has it no more.
async function look(item) {
  const found = await room.source.get([item.dataset.id]).catch(() => [null]);
  if (found.length) return;
  steady(() => {
    takeOut(item);
    settle();
  });
}

async function work() {
  timer = 0;
  const events = [...arriving.values()];
  const ids = [...stale].filter((id) => id && find(id));
  const texts = [...outdated].filter((id) => find(id));
  for (const each of [arriving, stale, outdated]) each.clear();
  if (events.length) await arrive(events.slice(-100)).catch(() => null);
  if (texts.length) await renew(texts.slice(-100)).catch(() => null);
  await count(ids).catch(() => null);
}

export async function arrive(events, mine = false) {
  const follows = atEnd();
  const drawn = (await draw(events)).filter((item) => !find(item.dataset.id));
  steady(() => {
    for (const item of drawn) {
      item.classList.add("fresh");
      place(item);
    }
    settle();
  });
  if (!drawn.length) return;
  for (const item of drawn) if (isGone(item.dataset.id, "?")) look(item);
  const behind = drawn.filter(isBehind); // edited while they were drawn
  if (behind.length) renew(behind.map((item) => item.dataset.id)).catch(() => null);
  if (mine || follows) toEnd();
  else tellUnseen(drawn.length);
  if (!mine) news.textContent = `${drawn.at(-1).querySelector(".author bdi").textContent}: ${drawn.at(-1).querySelector(".prose").textContent.slice(0, 200)}`;
  seen();
}
