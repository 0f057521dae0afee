// The comments on a post as a thread: folded and unfolded, what is new since the last visit, and jumps from one to the next.
//
// Comments are one list; what stands under one follows it with a greater depth. So folding is one pass over the list. What is
// folded is remembered for as long as the tab is open, what was seen for longer, both in this browser alone.

import { onChange, post } from "./items.js";
import { personal } from "./me.js";
import { me, ready } from "./who.js";

const FOLDED = "tidings.folded";
const SEEN = "seen";
const LAST = "tidings.last";
const KEEP = 300; // threads and folds remembered

const thread = document.getElementById("comments");
const jumps = document.getElementById("jumps");
const nextNew = jumps.querySelector("[data-next-new]");
const depth = (item) => Number(item.dataset.depth);
const list = () => [...thread.querySelectorAll(".comment")];

// `storage` is the name of one: where it is switched off, the very mention of it is an error.
function recall(storage, name, otherwise) {
  try {
    return JSON.parse(window[storage].getItem(name)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

function keep(storage, name, value) {
  try {
    window[storage].setItem(name, JSON.stringify(value));
  } catch {
    // storage is switched off, or full: then nothing is remembered
  }
}

// Folding

const folded = new Set(recall("sessionStorage", FOLDED, []));

function layOut() {
  let edge = Infinity; // what is deeper than this stands under a folded comment
  let under = null;
  let hidden = 0;
  const close = () => under && tellHidden(under, hidden);
  for (const item of list()) {
    item.hidden = depth(item) > edge;
    if (item.hidden) {
      hidden += 1;
      continue;
    }
    close();
    const isFolded = folded.has(item.dataset.id);
    item.classList.toggle("folded", isFolded);
    item.querySelector("[data-fold]").setAttribute("aria-expanded", String(!isFolded));
    [edge, under, hidden] = isFolded ? [depth(item), item, 0] : [Infinity, null, 0];
  }
  close();
  tellNew();
}

function tellHidden(item, replies) {
  const words = replies ? `${replies} ${replies === 1 ? "reply" : "replies"} hidden` : "hidden";
  let told = item.querySelector(".hidden-count");
  if (!told) {
    told = Object.assign(document.createElement("span"), { className: "hidden-count" });
    item.querySelector(".meta").append(told);
  }
  told.textContent = words;
}

function fold(item, isFolded) {
  if (isFolded) folded.add(item.dataset.id);
  else folded.delete(item.dataset.id);
  keep("sessionStorage", FOLDED, [...folded].slice(-KEEP));
  layOut();
}

export function toggle(item) {
  fold(item, !folded.has(item.dataset.id));
  if (item.getBoundingClientRect().top < 0) item.scrollIntoView({ block: "start" });
}

// The comment above this one at a depth; itself at its own.
function above(item, level) {
  let found = item;
  while (found && depth(found) > level) found = found.previousElementSibling;
  return found;
}

// Which line a pointer is on: the lines stand in the space before a comment, one for each level above it.
function lineAt({ target, clientX }) {
  if (!target.matches?.(".comment")) return null;
  const step = parseFloat(getComputedStyle(target).paddingLeft) / Math.min(depth(target), 8);
  const level = Math.floor((clientX - target.getBoundingClientRect().left) / step);
  return level < Math.min(depth(target), 8) ? above(target, level) : null;
}

const LEVELS = Array.from({ length: 9 }, (_, level) => `l${level}`);
let lit = null;

function light(item) {
  if (item === lit) return;
  for (const each of thread.querySelectorAll(".lit")) each.classList.remove("lit", ...LEVELS);
  lit = item;
  for (let each = item?.nextElementSibling; each && depth(each) > depth(item); each = each.nextElementSibling) {
    each.classList.add("lit", LEVELS[depth(item)]);
  }
}

thread.addEventListener("pointermove", (event) => light(event.pointerType === "mouse" ? lineAt(event) : null));
thread.addEventListener("pointerleave", () => light(null));
thread.addEventListener("click", (event) => {
  const item = lineAt(event);
  if (!item) return;
  light(null);
  toggle(item);
});

// New since the last visit: what came into the relay's log after what was there then. A visit goes on through a reload, another
// order and one thread of the post.

const [, before, since] = recall("localStorage", personal(SEEN), []).find(([id]) => id === post.id) ?? [];
const line = (recall("sessionStorage", LAST, "") === post.id ? since : before) ?? Number(thread.dataset.seq);

// Up to where the log was seen, what is new in this visit, and how many comments there were (seen.js).
function keepVisit() {
  const upTo = Math.max(thread.dataset.seq, ...list().map((item) => item.dataset.seq));
  const count = parseInt(document.querySelector(".whole [data-part=replies]").textContent, 10);
  const others = recall("localStorage", personal(SEEN), []).filter(([id]) => id !== post.id);
  keep("localStorage", personal(SEEN), [...others.slice(1 - KEEP), [post.id, upTo, line, count]]);
}
keepVisit();
addEventListener("pagehide", keepVisit);
keep("sessionStorage", LAST, post.id);
addEventListener("pageshow", () => keep("sessionStorage", LAST, post.id));

const own = (item) => me.keys.has(item.dataset.pubkey) || (me.id && item.dataset.author === me.id);
const isNew = (item) => Number(item.dataset.seq) > line && !own(item);

function tellNew() {
  const some = list();
  for (const item of some) item.classList.toggle("new", isNew(item));
  const count = some.filter(isNew).length;
  nextNew.hidden = !count;
  nextNew.textContent = `${count} new`;
  nextNew.setAttribute("aria-label", `Next of ${count} new since your last visit`);
  jumps.hidden = !count && some.filter((item) => depth(item) === 0).length < 2;
}

// Jumps

let shown = null; // what the last jump went to

function show(item) {
  for (let each = item; each; each = depth(each) ? above(each, depth(each) - 1) : null) folded.delete(each.dataset.id);
  layOut();
  item.scrollIntoView({ block: "start" });
  item.tabIndex = -1;
  item.focus({ preventScroll: true });
  shown = item;
}

function isInSight(item) {
  const { top, bottom } = item.getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
}

// The first of these below the one that has the focus or was jumped to, as long as it is in sight, else below the top of the
// window; after the last one comes the first.
function next(some) {
  const here = document.activeElement?.closest?.(".comment") ?? (shown && isInSight(shown) ? shown : null);
  const after = here
    ? (item) => here.compareDocumentPosition(item) & Node.DOCUMENT_POSITION_FOLLOWING
    : (item) => item.getBoundingClientRect().top > 80;
  const found = some.find((item) => !item.hidden && item !== here && after(item)) ?? some[0];
  if (found) show(found);
}

const nextThread = () => next(list().filter((item) => depth(item) === 0));
const nextUnseen = () => next(list().filter(isNew));
nextNew.addEventListener("click", nextUnseen);
jumps.querySelector("[data-next]").addEventListener("click", nextThread);

// A link to a comment opens what it stands in; one that is on none of these pages' beginnings has a page of its own.
async function arrive() {
  if (location.hash === "#new") return nextUnseen();
  const id = /^#c-([0-9a-f]{64})$/.exec(location.hash)?.[1];
  if (!id) return undefined;
  const item = document.getElementById(`c-${id}`);
  if (item) {
    if (item.hidden) show(item);
  } else if (!new URLSearchParams(location.search).has("parent")) {
    const apart = `${location.pathname}?parent=${id}`;
    const answer = await fetch(apart, { method: "HEAD" }).catch(() => null);
    if (answer?.ok && location.hash === `#c-${id}`) location.replace(apart + location.hash);
  }
  return undefined;
}
addEventListener("hashchange", arrive);

onChange(layOut);
layOut();
arrive();
ready().then(tellNew);
