// A room and its messages as they stand on the page: in the order of time, still while others change them, and those that one has not
// read yet marked. What was read is kept in this browser.

import { element } from "./dom.js";
import { me, personal, restored, store } from "./me.js";
import { moderates } from "./standing.js";

const READ = "read"; // by room: when the newest message seen was written
const ROOMS = 500; // remembered so
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });

const part = (id) => document.getElementById(id);
export const list = part("messages");
export const older = part("older");
export const form = part("say");
export const field = form.elements.content;
export const gate = part("gate");
const empty = part("empty");
const fresh = part("fresh");

// `home`: the relay of a room that is only read here; `source`: where its messages come from (sources.js), once it is open to the
// reader; `roles`: those of the reader, null where they are no member.
export const room = { id: list.dataset.group, isOpen: list.dataset.open === "1", home: list.dataset.home, source: null, roles: null };

let unseen = 0; // below what is read

export const items = () => [...list.querySelectorAll(".message")];
export const find = (id) => list.querySelector(`.message[data-id="${CSS.escape(id)}"]`);
export const target = (item) => ({ id: item.dataset.id, pubkey: item.dataset.pubkey, at: Number(item.dataset.at) });
export const atEnd = () => innerHeight + scrollY >= document.documentElement.scrollHeight - 120;
export const toEnd = () => scrollTo({ top: document.documentElement.scrollHeight });

// What is read stays where it is, whatever changes above it; whoever is at the end stays there.
export function steady(change) {
  const follows = atEnd();
  const read = items().find((item) => item.getBoundingClientRect().bottom > 0);
  const at = read?.getBoundingClientRect().top;
  change();
  if (follows) toEnd();
  else if (read?.isConnected) scrollBy({ top: read.getBoundingClientRect().top - at, behavior: "instant" });
}

let follows = true;
addEventListener("scroll", () => { follows = atEnd(); }, { passive: true });
addEventListener("resize", () => follows && toEnd());

// In the order of time, equal ones by their ids as the relay lists them.
export function place(item) {
  if (find(item.dataset.id)) return;
  const at = Number(item.dataset.at);
  let before = list.lastElementChild;
  while (before) {
    const other = before.classList.contains("message");
    if (other && (Number(before.dataset.at) - at || (before.dataset.id < item.dataset.id ? 1 : -1)) < 0) break;
    before = before.previousElementSibling;
  }
  list.insertBefore(item, before ? before.nextElementSibling : list.firstElementChild);
}

// A line of the list that is no message.
const line = (className, text) => element("li", "", { className }, element("span", text));

// Times of this browser's place, a line between days, and what the reader may do.
export function settle() {
  for (const each of list.querySelectorAll(".day")) each.remove();
  let last = "";
  for (const item of items()) {
    const at = new Date(Number(item.dataset.at) * 1000);
    const day = DAY.format(at);
    if (day !== last) {
      const marker = item.previousElementSibling?.classList.contains("unread") ? item.previousElementSibling : item;
      list.insertBefore(line("day", day), marker);
      last = day;
    }
    const time = item.querySelector("time");
    const clock = CLOCK.format(at);
    if (time.textContent !== clock) time.textContent = clock; // it may be selected
    time.title = at.toLocaleString();
    const own = me.keys.has(item.dataset.pubkey) || (me.id && item.dataset.author === me.id);
    item.classList.toggle("own", Boolean(own));
    item.querySelector("[data-edit]").hidden = !own;
    item.querySelector("[data-delete]").hidden = !own && !moderates(room.roles) && !document.body.classList.contains("runs");
  }
  list.classList.toggle("elsewhere", Boolean(room.home));
  empty.hidden = Boolean(list.querySelector(".message")) || !gate.hidden;
}

// What was read

const stored = () => restored(personal(READ)) ?? {};

export function seen() {
  const newest = items().at(-1);
  if (!newest || document.visibilityState !== "visible" || !atEnd()) return;
  unseen = 0;
  fresh.hidden = true;
  const { [room.id]: before, ...others } = stored();
  const at = Math.max(before ?? 0, Number(newest.dataset.at));
  store(personal(READ), JSON.stringify(Object.fromEntries([...Object.entries(others).slice(1 - ROOMS), [room.id, at]])));
}

// So many came below what is read.
export function tellUnseen(number) {
  unseen += number;
  fresh.textContent = `${unseen} new ${unseen === 1 ? "message" : "messages"} ↓`;
  fresh.hidden = false;
}

export function showUnread() {
  list.querySelector(".unread")?.remove();
  const read = stored()[room.id];
  const first = read && items().find((item) => Number(item.dataset.at) > read && !item.classList.contains("own"));
  if (!first) return null;
  const marker = line("unread", "New");
  list.insertBefore(marker, first);
  return marker;
}

addEventListener("scroll", seen, { passive: true });
document.addEventListener("visibilitychange", seen);
fresh.addEventListener("click", () => {
  toEnd();
  field.focus({ preventScroll: true });
});
