// What one saved: taken out again, and more of it.

import { act, holdsKeyboard } from "./act.js";
import { addMore } from "./private.js";
import { takeOut } from "./texts.js";

function remove(row, button) {
  act(button, {
    now: () => row.classList.add("leaving"),
    then: async () => {
      const { unsave } = await import("./lists.js");
      await unsave(row.dataset.savedId);
      takeOut(row, holdsKeyboard(row));
    },
    undo: () => row.classList.remove("leaving"),
  });
}

let begun = false;

export function begin(place) {
  if (begun) return;
  begun = true;
  place.addEventListener("click", (click) => {
    const button = click.target.closest("[data-unsave]");
    const link = click.target.closest("#more");
    if (button) remove(button.closest("li"), button);
    if (link) {
      click.preventDefault();
      addMore(place.querySelector(".keeps"), link);
    }
  });
}
