// What is put away: what somebody hid in this browser, and what those wrote whom they muted, or has a word that they muted. It
// stands there as one line, and "Show" brings it back.

import { onChange } from "./items.js";
import { personal, restored, store as keep } from "./me.js";

const HIDDEN = "hidden"; // ids, the newest last
const MUTED = "muted"; // {keys, words}
const MOST = 1000;

const stored = (name, otherwise) => restored(personal(name)) ?? otherwise;
const store = (name, value) => keep(personal(name), JSON.stringify(value)); // where it cannot, it is kept as long as the page is open

let hidden = new Set();
let keys = new Set();
let phrases = [];

// A script without spaces has no edges between its words.
const SPACELESS = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}]/u;
const LETTER = "[\\p{L}\\p{N}]";

function phrase(word) {
  const escaped = word.trim().replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/\s+/g, "\\s+");
  return new RegExp(SPACELESS.test(word) ? escaped : `(?<!${LETTER})${escaped}(?!${LETTER})`, "iu");
}

function take({ keys: some = [], words = [] }) {
  keys = new Set(some);
  phrases = words.map(phrase);
}

// What is kept of whoever reads now.
function recall() {
  hidden = new Set(stored(HIDDEN, []));
  take(stored(MUTED, {}));
}
recall();

const save = () => store(MUTED, { ...stored(MUTED, {}), keys: [...keys] });

// Why an item is put away: words for the line in its place; "" where it is not.
function reason(item) {
  const { id, pubkey } = item.dataset;
  if (hidden.has(id)) return "You hid this.";
  if (keys.has(pubkey)) return `${item.querySelector(".author bdi")?.textContent ?? "Somebody"} is muted.`;
  if (!phrases.length) return "";
  const text = `${item.querySelector("[data-part=title]")?.textContent ?? ""}\n${item.querySelector("[data-part=text]")?.textContent ?? ""}`;
  return phrases.some((each) => each.test(text)) ? "This has a word that you muted." : "";
}

function put(item, words) {
  const line = document.createElement("p");
  line.className = "away";
  const button = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: "Show" });
  button.addEventListener("click", () => {
    back(item);
    item.dataset.shown = "";
    if (hidden.delete(item.dataset.id)) store(HIDDEN, [...hidden]);
    item.querySelector("a, button")?.focus();
  });
  line.append(`${words} `, button);
  const isHeld = item.contains(document.activeElement);
  item.prepend(line);
  item.classList.add("put-away");
  if (isHeld) button.focus({ preventScroll: true });
}

function back(item) {
  item.querySelector(":scope > .away")?.remove();
  item.classList.remove("put-away");
}

// Looks at these items, all that the page has unless others are named. A post on a page of its own was asked for: it stays.
export function look(items = document.querySelectorAll("li.item")) {
  for (const item of items) {
    if (!item.matches("li.item")) continue;
    const words = "shown" in item.dataset ? "" : reason(item);
    if (words && !item.classList.contains("put-away")) put(item, words);
    else if (!words) back(item);
  }
}

// What was shown all the same is not any more, where it is one of these.
function lookAgain(among) {
  for (const item of document.querySelectorAll("li.item[data-shown]")) if (among(item)) delete item.dataset.shown;
  look();
}

export function hide(id) {
  hidden.add(id);
  hidden = new Set([...hidden].slice(-MOST));
  store(HIDDEN, [...hidden]);
  lookAgain((item) => item.dataset.id === id);
}

export function mute(pubkey) {
  keys.add(pubkey);
  save();
  lookAgain((item) => item.dataset.pubkey === pubkey);
}

// Where no answer came, as when the page was left meanwhile, the next page asks the relay whom one muted (muted.js).
export function doubt() {
  try {
    sessionStorage.removeItem("tidings.muted.read");
  } catch {
    // storage is switched off
  }
}

export function unmute(pubkey) {
  keys.delete(pubkey);
  save();
  look();
}

// What the relay knows to be muted takes the place of what this browser remembers.
export function learned({ keys: some, words }) {
  store(MUTED, { keys: some, words });
  take({ keys: some, words });
  look();
}

addEventListener("who", () => {
  recall();
  look();
});
onChange(look);
look();
