// The notifications of the page: marked as read, all at once or as they are opened, and earlier ones.

import { act } from "./act.js";
import { api } from "./api.js";
import { tell } from "./bell.js";
import { addMore } from "./private.js";

const unmark = (note) => {
  note.classList.remove("new");
  note.querySelector(".told .unseen")?.remove();
};

function readAll(place, button) {
  const notes = [...place.querySelectorAll(".happening.new")];
  return act(button, {
    now: () => {
      button.hidden = true;
      for (const note of notes) note.classList.remove("new");
    },
    then: async () => {
      tell((await api("POST", "/notifications/read-all")).new_count);
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
  api("POST", `/notifications/read-by-post/${about}`)
    .then(({ unread_count }) => tell(unread_count))
    .catch(() => null); // it stays unread, and can be opened again
}

// An invite is taken: one is in the group then, and goes there.
function join(button) {
  const link = button.closest(".happening").querySelector(".told a");
  return act(button, {
    now: () => { button.disabled = true; },
    then: async () => {
      const { joinGroup } = await import("./groups.js");
      await joinGroup(button.dataset.group, button.dataset.join);
      location.href = link.href;
    },
    undo: () => { button.disabled = false; },
  });
}

let begun = false;

export function begin(place) {
  if (begun) return;
  begun = true;
  place.addEventListener("click", (click) => {
    const all = click.target.closest("[data-read-all]");
    const more = click.target.closest("#more");
    const link = click.target.closest(".happening .told a");
    const code = click.target.closest("[data-join]");
    if (code) join(code);
    else if (all) readAll(place, all);
    else if (more) {
      click.preventDefault();
      addMore(place.querySelector(".happenings"), more);
    } else if (link) opened(place, link.closest(".happening"));
  });
}
