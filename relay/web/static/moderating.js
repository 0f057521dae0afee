// What is reported in a community, for its moderators: taken away, and more of it.

import { act } from "./act.js";
import { api } from "./api.js";
import { element } from "./dom.js";
import { settled } from "./lists.js";
import { addMore } from "./private.js";

const PATHS = {
  post: ({ event }) => `/posts/${event}`,
  comment: ({ event }) => `/comments/${event}`,
  message: ({ event, group }) => `/groups/${encodeURIComponent(group)}/messages/${event}`,
};

// Asks once more before it is done: what is removed does not come back.
function remove(row, button) {
  if (!("sure" in button.dataset)) {
    button.dataset.sure = "";
    button.textContent = "Really remove it?";
    button.addEventListener("blur", () => {
      delete button.dataset.sure;
      button.textContent = "Remove it";
    }, { once: true });
    return;
  }
  act(button, {
    now: () => row.classList.add("leaving"),
    then: async () => {
      await settled(() => api("DELETE", PATHS[row.dataset.type](row.dataset)));
      const list = row.parentElement;
      row.remove();
      if (!list.children.length && !document.getElementById("more")) list.after(element("p", "Nothing is reported.", { className: "empty" }));
    },
    undo: () => row.classList.remove("leaving"),
  });
}

let begun = false;

export function begin(place) {
  if (begun) return;
  begun = true;
  place.addEventListener("click", (click) => {
    const button = click.target.closest("[data-remove]");
    const link = click.target.closest("#more");
    if (button) remove(button.closest("li"), button);
    if (link) {
      click.preventDefault();
      addMore(place.querySelector(".reported"), link);
    }
  });
}
