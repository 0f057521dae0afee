// Posts and comments on the page: renewed, put in, taken out. What they look like comes from the relay as `pieces`; no text
// of a stranger is ever put together with markup here.

import { bring, complain, holdsKeyboard } from "./act.js";
import { me } from "./me.js";
import { now } from "./wire.js";

const PIECES = 100; // ids in one request
const SPREAD = 150; // milliseconds over which the browsers of all readers ask
const KEEP = 2000; // items on the page

const posts = document.getElementById("posts");
const thread = document.getElementById("comments");
const comments = thread?.querySelector(".comments");
const empty = document.getElementById("empty");
const fresh = document.getElementById("fresh");
const news = document.getElementById("news");
const whole = document.querySelector(".item.whole");

const stale = new Set();
const welcome = new Set(); // ids to put in even where order or place would leave them out
const listeners = [];
let texts; // texts.js, once something came
export let renewals = 0; // how often something was asked for again
let timer = 0;
let turn = 0;
const turns = new Map(); // id -> the newest request for it: what older ones say comes too late
const unseen = new Set();

export const target = (item) => ({ id: item.dataset.id, pubkey: item.dataset.pubkey, kind: Number(item.dataset.kind) });
export const find = (id) => document.querySelector(`.item[data-id="${CSS.escape(id)}"]`);
export const all = () => [...document.querySelectorAll(".item")];
export const onChange = (listener) => listeners.push(listener);
export const post = whole && target(whole);

export function changed(items) {
  for (const listener of listeners) listener(items);
}

// Ask for these again, soon and together; what is not here any more goes, what is new comes.
export function renew(ids, mine = false) {
  renewals += 1;
  for (const id of ids) {
    stale.add(id);
    if (mine) welcome.add(id);
  }
  if (mine) {
    clearTimeout(timer);
    timer = 0;
    fetchStale();
  } else if (stale.size && !timer) timer = setTimeout(fetchStale, 30 + Math.random() * SPREAD);
}

async function fetchStale() {
  timer = 0;
  const ids = [...stale].slice(0, PIECES);
  const mine = ++turn;
  for (const id of ids) {
    stale.delete(id);
    turns.set(id, mine);
  }
  try {
    const topic = posts?.dataset.topic;
    const query = new URLSearchParams({ ids: ids.join(","), ...(post && { whole: post.id }), ...(topic && { topic }) });
    const pieces = parse(await read(`/pieces?${query}`));
    const seq = (id) => pieces.get(id)?.dataset.seq ?? 0;
    ids.sort((one, other) => seq(one) - seq(other)); // an answer after what it answers
    for (const id of ids) if (turns.get(id) === mine) settle(id, pieces.get(id));
    changed(ids.map(find).filter(Boolean));
  } catch {
    for (const id of ids) stale.add(id);
    if (!timer) timer = setTimeout(fetchStale, 5000);
    return;
  }
  if (stale.size && !timer) timer = setTimeout(fetchStale, SPREAD);
}

addEventListener("online", () => {
  if (!timer) return;
  clearTimeout(timer);
  fetchStale();
});

// A list of one's own is read with one's key.
export async function read(url) {
  texts ??= await bring("./texts.js");
  const key = posts && "authors" in posts.dataset && me.token;
  const headers = { accept: "text/html", ...(key && { authorization: `Bearer ${key}` }) };
  const response = await fetch(url, { headers });
  if (!response.ok) throw new Error(`${response.status}`);
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

const parse = (page) => new Map(Array.from(page.querySelectorAll(".item"), (item) => [item.dataset.id, item]));

function settle(id, piece) {
  const present = find(id);
  if (!piece) leave(present);
  else if (present) refresh(present, piece);
  else arrive(piece);
  welcome.delete(id);
  turns.delete(id);
}

export function refresh(present, piece) {
  for (const part of present.querySelectorAll("[data-part]")) {
    const other = piece.querySelector(`[data-part="${part.dataset.part}"]`);
    if (!other || texts.markup(other) === texts.markup(part)) continue;
    if (part.dataset.part === "replies" && present.dataset.kind === "1111") continue; // its replies stand below it
    texts.holding(part, () => texts.fill(part, other));
    const edit = part.dataset.part === "text" && present.querySelector("form.edit");
    if (edit) complain(edit, "This was changed meanwhile. What you save takes the place of that.");
    part.classList.remove("changed");
    requestAnimationFrame(() => part.classList.add("changed"));
  }
}

// The form in which somebody has begun to write.
const begunIn = (part) => [...(part?.querySelectorAll("form") ?? [])].find((form) =>
  [...form.querySelectorAll("input, textarea")].some((field) => field.value !== field.defaultValue));

// What is written in an item that is gone is not gone: it stays until its writer puts it away.
function leave(item) {
  if (!item) return;
  const begun = begunIn(item) ?? (item === whole ? begunIn(thread) : undefined);
  if (begun) {
    begun.classList.add("begun");
    complain(begun, "This was deleted meanwhile. What you wrote is still here.");
  }
  if (item === whole || begun) {
    item.classList.add("gone");
    item.querySelector("[data-part=text]").textContent = `This ${item.dataset.kind === "11" ? "post" : "comment"} was deleted.`;
  } else texts.takeOut(item);
  if (empty) empty.hidden = Boolean(document.querySelector("li.item"));
}

export function arrive(piece) {
  const item = document.adoptNode(piece);
  const mine = welcome.has(item.dataset.id);
  item.classList.add("fresh");
  const put = item.dataset.kind === "11" ? arrivePost(item, mine) : arriveComment(item);
  if (!put) return;
  if (empty) empty.hidden = true;
  const what = item.dataset.kind === "11" ? "New post" : "New comment";
  news.textContent = `${what} by ${item.querySelector(".author bdi").textContent}`;
  if (mine) {
    item.scrollIntoView({ block: "nearest" });
    if (holdsKeyboard(document.querySelector("#answer, #compose"))) item.querySelector("a")?.focus({ preventScroll: true });
  }
}

// The value by which a list is ordered, as the relay computes it; what came in later goes before its equals.
const RANK = {
  new: (score, at) => at,
  top: (score) => score,
  hot: (score, at) => Math.log10(Math.max(score, 1)) + at / 45000,
  rising: (score, at) => score / ((now() - at) / 3600 + 2) ** 1.5,
};
const rank = (item, sort) => RANK[sort](Number(item.querySelector(".score").textContent), Number(item.dataset.at));

const among = (list, one) => list.split(" ").includes(one);
const isFollowed = ({ dataset: { author, group } }) => among(posts.dataset.authors, author)
  || Boolean(group && among(posts.dataset.groups, encodeURIComponent(group)));

function arrivePost(item, mine) {
  if (!posts || posts.dataset.beginning !== "1") return false;
  if (posts.dataset.author && posts.dataset.author !== item.dataset.author) return false;
  if ("authors" in posts.dataset && !isFollowed(item)) return false;
  if (posts.dataset.group && posts.dataset.group !== item.dataset.group) return false;
  if (!posts.dataset.author && !posts.dataset.group && !("authors" in posts.dataset) && "apart" in item.dataset) return false;
  const value = rank(item, posts.dataset.sort);
  const behind = (each) => rank(each, posts.dataset.sort) - value || each.dataset.seq - item.dataset.seq;
  const after = Array.from(posts.children).find((each) => behind(each) < 0);
  if (!after && document.getElementById("more") && !mine) return false;
  posts.insertBefore(item, after ?? (mine ? posts.firstElementChild : null));
  while (posts.children.length > KEEP) posts.lastElementChild.remove();
  if (item.getBoundingClientRect().bottom < 0 && !mine) {
    unseen.add(item);
    fresh.textContent = `${unseen.size} new ${unseen.size === 1 ? "post" : "posts"} ↑`;
    fresh.hidden = false;
  }
  return true;
}

function arriveComment(item) {
  if (!thread || item.dataset.post !== thread.dataset.post) return false;
  const parent = item.dataset.parent && find(item.dataset.parent);
  if (!parent && comments.dataset.parent) return false;
  const depth = parent ? Number(parent.dataset.depth) + 1 : 0;
  item.dataset.depth = depth;
  item.classList.replace("d0", `d${Math.min(depth, 8)}`);
  if (parent) {
    let last = parent;
    while (Number(last.nextElementSibling?.dataset.depth) >= depth) last = last.nextElementSibling;
    last.after(item);
    const more = parent.querySelector(".more-replies a"); // which leads to replies that are not here
    if (more && comments.querySelectorAll(`[data-parent="${item.dataset.parent}"]`).length >= parseInt(more.textContent)) more.remove();
  } else if (thread.dataset.sort === "new") comments.prepend(item);
  else comments.append(item);
  return true;
}

function ago(at) {
  const past = Math.max(0, now() - at);
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (past >= size) return `${Math.floor(past / size)} ${unit}`;
  }
  return "now";
}

export function tellTimes() {
  for (const time of document.querySelectorAll("time[data-at]")) {
    const words = ago(Number(time.dataset.at));
    if (time.textContent !== words) time.textContent = words;
  }
}
// The whole date is made for the pointer that asks for it: dates cost much of what a page's scripts take before the first paint.
addEventListener("pointerover", ({ target }) => {
  const time = target.closest?.("time[data-at]");
  if (time) time.title ||= new Date(Number(time.dataset.at) * 1000).toLocaleString();
}, { passive: true });

fresh?.addEventListener("click", () => {
  const first = Array.from(posts.children).find((item) => unseen.has(item));
  seen();
  if (!first || first === posts.firstElementChild) scrollTo({ top: 0 });
  else first.scrollIntoView({ block: "center" });
  (first ?? posts).querySelector("a")?.focus({ preventScroll: true });
});
addEventListener("scroll", () => {
  if (scrollY <= 200 && unseen.size) seen();
}, { passive: true });

function seen() {
  unseen.clear();
  fresh.hidden = true;
}
