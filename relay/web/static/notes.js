// The notifications of the page: new ones as they come, marked as read, all at once or as they are opened, and earlier ones.

import { act, bring } from "./act.js";
import { api } from "./api.js";
import { tellRead } from "./bell.js";
import { addMore, read } from "./private.js";
import { arrange, holding } from "./texts.js";

const unmark = (note) => {
  note.classList.remove("new");
  note.querySelector(".told .unseen")?.remove();
};

let acts = 0; // what was asked before its reader did something says less than is known
let acting = Promise.resolve();
let heard = 0; // news
addEventListener("notified", () => { heard += 1; });

// What changes the list at the relay, too.
function doing(sent) {
  acts += 1;
  const before = heard;
  const done = sent.then(({ unread_count: unread }) => tellRead(unread, heard !== before)).finally(() => { acts += 1; });
  acting = Promise.allSettled([acting, done]);
  return done;
}

function readAll(place, button) {
  const notes = [...place.querySelectorAll(".happening.new")];
  return act(button, {
    now: () => {
      if (document.activeElement === button) place.querySelector(".tabs a, .happening a")?.focus({ preventScroll: true });
      button.hidden = true;
      for (const note of notes) note.classList.remove("new");
    },
    then: async () => {
      await doing(api("POST", "/notifications/read-all"));
      notes.forEach(unmark);
    },
    undo: () => {
      button.hidden = false;
      for (const note of notes) note.classList.add("new");
    },
  });
}

// What is opened is read, and so is all else about the same post. The page is left meanwhile: the request goes on.
function opened(place, note) {
  const { about } = note.dataset;
  if (!about || !note.classList.contains("new")) return;
  for (const each of place.querySelectorAll(`.happening[data-about="${CSS.escape(about)}"]`)) unmark(each);
  doing(api("POST", `/notifications/read-by-post/${about}`)).catch(() => null); // it stays unread, and can be opened again
}

// An invite is taken: one is in the group then, and goes there.
function join(button) {
  const link = button.closest(".happening").querySelector(".told a");
  return act(button, {
    now: () => { button.disabled = true; },
    then: async () => {
      const { joinGroup } = await bring("./groups.js");
      await joinGroup(button.dataset.group, button.dataset.join);
      location.href = link.pathname; // without the code
    },
    undo: () => { button.disabled = false; },
  });
}

// What a notification says, where it leads and when it was: by that the relay's list and the page's know each other's rows.
const words = (note) => note.querySelector(".told a").outerHTML + note.querySelector("time").dateTime;
let earlier = false; // whether earlier ones were asked for: they stay below

// The page as it is now takes the place of what stands here. Rows that are the same stay, and with them the keyboard.
function renew(place, page) {
  const list = place.querySelector(".happenings");
  const there = new Map(Array.from(list.children, (note) => [words(note), note]));
  const rows = Array.from(page.querySelectorAll(".happening"), (note) => {
    const same = there.get(words(note));
    if (same && !note.classList.contains("new")) unmark(same); // it was read in another tab
    return same ?? document.adoptNode(note);
  });
  const below = [...list.children];
  const rest = earlier ? below.slice(below.findLastIndex((note) => rows.includes(note)) + 1) : [];
  holding(list, () => arrange(list, [...rows, ...rest]));
  if (rows.length) place.querySelector(".empty")?.remove();
  const [all, more] = ["[data-read-all]", ".more"].map((name) => [place, page].map((part) => part.querySelector(name)));
  if (all[0]) all[0].hidden = !all[1];
  else if (all[1]) place.querySelector(".head").append(document.adoptNode(all[1]));
  if (earlier || !more[1]) return;
  if (more[0]) more[0].replaceWith(document.adoptNode(more[1]));
  else place.append(document.adoptNode(more[1]));
}

const TOGETHER = 200; // milliseconds in which what comes is asked for as one
const APART = 2000; // from one request to the next at least

const pause = (time) => new Promise((resolve) => setTimeout(resolve, time));
const looked = () => new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
let asking = Promise.resolve();
let asked = -APART;
let isDue = false;

// One request at a time, and few of them, however much comes meanwhile; where nobody looks, one once somebody does. A page of earlier
// ones has no place for what is new.
async function takeNews(place) {
  if (isDue || new URLSearchParams(location.search).has("cursor")) return;
  isDue = true;
  await pause(Math.max(TOGETHER, asked + APART - performance.now()));
  while (document.hidden) await looked();
  asking = asking.then(async () => {
    isDue = false;
    asked = performance.now();
    const at = location.href;
    let before;
    let page;
    do {
      await acting;
      before = acts;
      page = (await read(at)).getElementById("mine");
    } while (acts !== before);
    if (location.href === at) renew(place, page);
  }).catch(() => null); // it is there with the next one, or when the page is loaded again
}

let begun = null; // the place, once it is there

addEventListener("notified", () => begun && takeNews(begun));

// `isBehind`: something came before it was there, perhaps after the relay had made it.
export function begin(place, isBehind) {
  if (begun) return;
  begun = place;
  if (isBehind) takeNews(place);
  place.addEventListener("click", (click) => {
    const all = click.target.closest("[data-read-all]");
    const more = click.target.closest("#more");
    const link = click.target.closest(".happening .told a");
    const code = click.target.closest("[data-join]");
    if (code) join(code);
    else if (all) readAll(place, all);
    else if (more) {
      click.preventDefault();
      earlier = true;
      addMore(place.querySelector(".happenings"), more);
    } else if (link) opened(place, link.closest(".happening"));
  });
}
