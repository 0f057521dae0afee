// What is reported: in a community for its moderators, of the whole place for who runs it. It is removed or left, and who wrote it banned.

import { act, holdsKeyboard } from "./act.js";
import { api, unlessGone } from "./api.js";
import { element } from "./dom.js";
import { settled } from "./lists.js";
import { addMore } from "./private.js";
import { ban as refuse, leave as leaveThem, letWrite } from "./rules.js";
import { isSure } from "./sure.js";
import { takeOut } from "./texts.js";

const PATHS = {
  post: ({ event }) => `/posts/${event}`,
  comment: ({ event }) => `/comments/${event}`,
  message: ({ event, group }) => `/groups/${encodeURIComponent(group)}/messages/${event}`,
};

// The row goes, once it is done with.
function finish(row, button, then) {
  act(button, {
    now: () => row.classList.add("leaving"),
    then: async () => {
      await settled(then).catch(unlessGone);
      const list = row.parentElement;
      takeOut(row, holdsKeyboard(row));
      if (!list.children.length && !document.getElementById("more")) list.after(element("p", "Nothing is reported.", { className: "empty" }));
    },
    undo: () => row.classList.remove("leaving"),
  });
}

function remove(row, button) {
  if (!isSure(button, "Really remove it?")) return;
  const { event, type } = row.dataset;
  finish(row, button, () =>
    row.closest("[data-runs]") ? api("PUT", `/rules/event/${event}`, { allowed: false, reason: "reported" }) : api("DELETE", PATHS[type](row.dataset)));
}

function leave(row, button) {
  const { event, author } = row.dataset;
  finish(row, button, () => (event ? api("PUT", `/rules/event/${event}`, { allowed: true, reason: "reported, and looked at" }) : leaveThem(author)));
}

// All of it goes, with all that is reported of who wrote it.
function wipe(place, row, button) {
  if (!isSure(button, "Really remove all?")) return;
  const { author } = row.dataset;
  const theirs = [...place.querySelectorAll("li[data-author]")].filter((one) => one.dataset.author === author && one !== row);
  finish(row, button, async () => {
    await refuse(author, "reported", true);
    for (const one of theirs) one.remove();
  });
}

// Of all that somebody wrote the button is another one, and says the same.
function ban(place, button) {
  const { ban: key } = button.dataset;
  const isBanned = button.getAttribute("aria-pressed") === "true";
  if (!isBanned && !isSure(button, "Really ban them?")) return;
  const before = button.textContent;
  const show = (pressed, words) => {
    for (const one of place.querySelectorAll(`[data-ban="${key}"]`)) {
      one.setAttribute("aria-pressed", pressed);
      one.textContent = words;
    }
  };
  delete button.dataset.sure;
  act(button, {
    now: () => show(!isBanned, isBanned ? "Ban them" : "Let them write again"),
    then: () => (isBanned ? letWrite(key) : refuse(key, "reported")),
    undo: () => show(isBanned, before),
  });
}

let begun = false;

export function begin(place) {
  if (begun) return;
  begun = true;
  place.addEventListener("click", (click) => {
    const button = click.target.closest("[data-remove], [data-leave], [data-ban], [data-wipe]");
    const link = click.target.closest("#more");
    if (button) {
      const row = button.closest("li");
      if ("remove" in button.dataset) remove(row, button);
      else if ("leave" in button.dataset) leave(row, button);
      else if ("wipe" in button.dataset) wipe(place, row, button);
      else ban(place, button);
    }
    if (link) {
      click.preventDefault();
      addMore(place.querySelector(".reported"), link);
    }
  });
}
