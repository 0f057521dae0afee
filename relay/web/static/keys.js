// The keyboard: one table of what each key does, in the order in which "?" shows it. Two letters are typed one after the other.
// Off while somebody types, with Ctrl, Alt or Cmd, and where its owner switched it off (`site.js` sees to that).

import { toast } from "./act.js";
import { make, open } from "./dialog.js";
import { element } from "./dom.js";
import { me, store, stored } from "./me.js";
import { fillMenu } from "./menu.js";

export const OFF = "tidings.keys";
const PATIENCE = 1500; // milliseconds between the letters of a pair
const ITEMS = "main :is(.item, .hit, .list > li)";

const items = () => [...document.querySelectorAll(ITEMS)].filter((item) => item.checkVisibility());
const go = (path) => () => { location.href = path; };

let last = null; // the item that was gone to, as long as the focus is nowhere else

function current() {
  return document.activeElement?.closest(ITEMS) ?? (last?.isConnected ? last : null);
}

// To the next item or the one before; from nowhere, to the first that is in sight.
function step(by) {
  const list = items();
  const at = list.indexOf(current());
  const seen = list.findIndex((item) => item.getBoundingClientRect().bottom > 80);
  const item = list[at < 0 ? Math.max(seen, 0) : at + by];
  if (!item) return;
  last = item;
  item.tabIndex = -1;
  item.focus({ preventScroll: true });
  item.scrollIntoView({ block: "nearest" });
}

// In a thread, to what the buttons at its foot go to (thread.js).
const jump = (to, otherwise) => () => {
  const button = document.querySelector(`#jumps [data-${to}]`);
  if (button && !button.hidden) button.click();
  else if (button) toast(otherwise);
};

const press = (selector) => () => current()?.querySelector(`:scope ${selector}`)?.click();
const link = (item) => item?.querySelector("a[data-part=title], .hit-title, h2 a, a.when");

// What saves it is in its menu.
function save() {
  if (current()) fillMenu(current());
  press("[data-save]")();
}

function comment() {
  const item = current();
  const reply = item?.querySelector("[data-reply]");
  if (reply) reply.click();
  else if (document.getElementById("answer")) document.querySelector("#answer textarea").focus();
  else if (link(item)) location.href = `${link(item).href}#comments`;
}

function theme() {
  const all = [...document.querySelectorAll("#themes button")];
  const at = all.findIndex((each) => each.getAttribute("aria-pressed") === "true");
  all[(at + 1) % all.length]?.click();
}

export const KEYS = [
  ["/", "Search", () => document.getElementById("find-q").focus()],
  ["j", "Next post or comment", () => step(1)],
  ["k", "The one before", () => step(-1)],
  ["o", "Open it", () => link(current())?.click()],
  ["u", "Vote for it, or take that back", press("[data-vote=up]")],
  ["d", "Vote against it, or take that back", press("[data-vote=down]")],
  ["c", "Comment on it", comment],
  ["s", "Save it", save],
  ["x", "Fold it with its answers", press("[data-fold]")],
  ["w", "Next comment that is new", jump("next-new", "Nothing is new here since your last visit.")],
  ["m", "Next thread of comments", jump("next")],
  ["n", "Write a post", () => document.querySelector(".mine a.button").click()],
  ["gh", "Go to the feed", go("/")],
  ["gc", "Go to the communities", go("/communities")],
  ["gr", "Go to the chat rooms", go("/chat")],
  ["gk", "Go to the knowledge", go("/knowledge")],
  ["gn", "Go to your notifications", go("/notifications")],
  ["gs", "Go to what you saved", go("/saved")],
  ["gp", "Go to your profile", () => go(me.name ? `/u/${encodeURIComponent(me.name)}` : "/account")()],
  ["ga", "Go to your account", go("/account")],
  ["t", "Other colours", theme],
  ["?", "Show all of this", show],
];

function show() {
  const { dialog, body } = make("keys-dialog", "Keys");
  const rows = KEYS.map(([keys, words]) => element("tr", "", {},
    element("td", "", {}, ...[...keys].flatMap((letter, at) => [at ? " then " : "", element("kbd", letter)])), element("td", words)));
  const box = element("input", "", { type: "checkbox", checked: !stored(OFF) });
  box.addEventListener("change", () => store(OFF, box.checked ? "" : "off"));
  body.replaceChildren(element("table", "", { className: "keys" }, element("tbody", "", {}, ...rows)),
    element("label", "", { className: "check" }, box, " Use these keys in this browser"),
    element("p", "In a text, Ctrl or Cmd and Enter send it. Escape closes what is open.", { className: "hint" }));
  open(dialog);
}

let typed = "";
let timer = 0;

// A key was pressed where nobody types.
export function take(key) {
  if (stored(OFF) && key !== "?") return;
  clearTimeout(timer);
  const both = typed + key;
  const row = KEYS.find(([keys]) => keys === both) ?? KEYS.find(([keys]) => keys === key);
  typed = !row && KEYS.some(([keys]) => keys.startsWith(key)) ? key : "";
  timer = setTimeout(() => { typed = ""; }, PATIENCE);
  row?.[2]();
}
