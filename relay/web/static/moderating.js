// What is reported: in a community for its moderators, of the whole place for who runs it. It is removed or left, and who wrote it banned.

import { act, holdsKeyboard } from "./act.js";
import { api, unlessGone } from "./api.js";
import { element } from "./dom.js";
import { settled } from "./lists.js";
import { addMore } from "./private.js";
import { isSure } from "./sure.js";
import { takeOut } from "./texts.js";

const PATHS = {
  post: ({ event }) => `/posts/${event}`,
  comment: ({ event }) => `/comments/${event}`,
  message: ({ event, group }) => `/groups/${encodeURIComponent(group)}/messages/${event}`,
};
const RUNS = !new URLSearchParams(location.search).get("group"); // whoever reads it runs this place

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
    RUNS ? api("PUT", `/rules/event/${event}`, { allowed: false, reason: "reported" }) : api("DELETE", PATHS[type](row.dataset)));
}

function leave(row, button) {
  finish(row, button, () => api("PUT", `/rules/event/${row.dataset.event}`, { allowed: true, reason: "reported, and looked at" }));
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
    then: () => (isBanned ? api("DELETE", `/rules/key/${key}`) : api("PUT", `/rules/key/${key}`, { allowed: false, reason: "reported" })),
    undo: () => show(isBanned, before),
  });
}

let begun = false;

export function begin(place) {
  if (begun) return;
  begun = true;
  place.addEventListener("click", (click) => {
    const button = click.target.closest("[data-remove], [data-leave], [data-ban]");
    const link = click.target.closest("#more");
    if (button) {
      const row = button.closest("li");
      if ("remove" in button.dataset) remove(row, button);
      else if ("leave" in button.dataset) leave(row, button);
      else ban(place, button);
    }
    if (link) {
      click.preventDefault();
      addMore(place.querySelector(".reported"), link);
    }
  });
}
