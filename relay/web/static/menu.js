// The menu of an item ("More"). Its rows are made when it is first opened: most never are, and a page has many. It closes by Escape,
// by a click elsewhere, and when the focus leaves it; arrows go through it.

import { bring } from "./act.js";
import { copy } from "./copy.js"; // at once: what is loaded after a click comes too late for the clipboard of Safari
import { element } from "./dom.js";
import { moderates, standing } from "./standing.js";
import { canWrite, me, ready } from "./who.js";

const opened = () => document.querySelector(".menu[open]");
const rows = (menu) => [...menu.querySelectorAll("button, a")].filter((row) => row.checkVisibility());
const community = document.querySelector(".item.whole")?.dataset.group; // of the thread that is read
const isOwn = ({ dataset: { author, pubkey } }) => me.keys.has(pubkey) || Boolean(me.id && author === me.id);

// A row is a link, or a button whose `data-<name>` is a row of ACTIONS in feed.js. `data-own` are for whoever wrote the item,
// `data-others` for everybody else.
const link = (href, words) => element("a", words, { href });
function button(name, words, value = "", whose = null) {
  const made = element("button", "", { type: "button" }, ...words);
  made.dataset[name] = value;
  if (whose) made.dataset[whose] = "";
  return made;
}

function* made(item) {
  const { id, kind, parent, post } = item.dataset;
  const group = item.dataset.group ?? community;
  const host = item.querySelector(".title .origin")?.textContent.split(" ")[0];
  const author = item.querySelector("a.author bdi")?.textContent; // none of who is on another relay
  const shown = () => element("bdi", author);
  if (host && !host.includes(":")) yield link(`/d/${encodeURIComponent(host)}`, `More from ${host}`);
  if (document.getElementById("answer")) yield button("quote", ["Reply with a quote"]);
  yield link(`/write?quote=${id}`, "Quote in a post");
  if (parent) yield link(`#c-${parent}`, "Comment it answers");
  if (group && kind === "11") yield button("pin", ["Pin"], group);
  yield button("save", ["Save"]);
  yield button("hide", ["Hide"]);
  if (author) yield button("followAuthor", ["Follow ", shown()], "", "others");
  if (author) yield button("muteAuthor", ["Mute ", shown()], "", "others");
  yield button("report", ["Report"], "", "others");
  yield button("link", ["Copy link"], kind === "11" ? `/post/${id}` : `/post/${post}#c-${id}`);
  yield button("edit", ["Edit"], "", "own");
  yield button("delete", ["Delete"], "", "own");
  yield button("moderate", ["Remove"], group ?? "", "others"); // for who moderates there, or runs this place; so is the next
  yield button("banAuthor", ["Ban ", author ? shown() : "who wrote it"], "", "others");
}

// Of an item's menu: which rows are for who reads now.
function tellOwn(item) {
  for (const row of item.querySelectorAll(".menu [data-own]")) row.hidden = !isOwn(item);
  for (const row of item.querySelectorAll(".menu [data-others]")) row.hidden = isOwn(item);
}

// The rows of an item's menu are there from now on.
export function fillMenu(item) {
  const menu = item.querySelector(".menu");
  if (menu && !menu.querySelector(".rows")) menu.append(element("div", "", { className: "rows" }, ...made(item)));
  tellOwn(item);
}

export const copyLink = (button) => copy(new URL(button.dataset.link, location.href).href);

export function toggleMenu(menu) {
  const item = menu.closest(".item");
  fillMenu(item);
  menu.open = !menu.open;
  if (menu.open && !menu.contains(document.activeElement)) menu.querySelector("summary").focus(); // in Safari a click does not
  if (menu.open && canWrite()) ready().then(() => bring("./keeping.js")).then(({ tellStanding }) => tellStanding(item)).catch(() => null);
}

const tellAll = () => document.querySelectorAll(".item:has(.menu .rows)").forEach(tellOwn);
// In a thread, whether its reader moderates in the community that it stands in: its page asks that itself (membership.js).
let turn = 0; // of the newest question
async function learnRole() {
  if (!community) return;
  const mine = ++turn;
  const roles = await standing(community).catch(() => null);
  if (mine === turn) document.body.classList.toggle("moderates", moderates(roles));
}

ready().then(() => {
  tellAll();
  learnRole();
  addEventListener("moved", learnRole);
  addEventListener("who", () => {
    tellAll();
    learnRole();
  });
});

// Close the menu that a control is in, if any; the focus goes back to what opened it.
export function closeMenu(control) {
  const menu = control.closest(".menu");
  if (!menu) return;
  if (menu.contains(document.activeElement)) menu.querySelector("summary").focus();
  menu.open = false;
}

// Where there is more room above it than below, it opens upwards; a phone's bar at the foot does not cover it.
addEventListener("toggle", ({ target: menu }) => {
  if (!menu.matches(".menu") || !menu.open) return;
  menu.classList.remove("up");
  const list = menu.querySelector(".rows");
  const { bottom, height } = list.getBoundingClientRect();
  const { top } = menu.getBoundingClientRect();
  menu.classList.toggle("up", bottom > innerHeight && top > height);
  list.scrollIntoView({ block: "nearest" });
}, { capture: true });
addEventListener("click", ({ target }) => {
  const menu = opened();
  if (menu && (!menu.contains(target) || target.closest("a"))) menu.open = false;
});
addEventListener("focusin", ({ target }) => {
  const menu = opened();
  if (menu && !menu.contains(target)) menu.open = false;
});
addEventListener("keydown", (key) => {
  const menu = key.target.closest?.(".menu[open]");
  if (!menu) return;
  if (key.key === "Escape") return closeMenu(key.target);
  const step = { ArrowDown: 1, ArrowUp: -1 }[key.key];
  if (!step) return;
  key.preventDefault();
  const list = rows(menu);
  const at = list.indexOf(key.target);
  list[(at + step + (at < 0 && step < 0) + list.length) % list.length]?.focus();
});
