// The small sheet that asks for a name where an action needs one. The action then goes on by itself.

import { bring } from "./act.js";
import { wire } from "./copy.js";
import { make, open } from "./dialog.js";
import { join } from "./joining.js";
import { me } from "./me.js";

async function forms() {
  const response = await fetch("/sheet", { headers: { accept: "text/html" } }).catch(() => null);
  if (!response?.ok) throw new Error("This place cannot be reached just now. Try again in a moment.");
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  return [...page.body.children].map((part) => document.adoptNode(part));
}

// That the key is kept here only, until it was copied or the reader says later.
function welcome(card) {
  card.querySelector("[data-name]").textContent = me.name;
  const save = card.querySelector("[data-save]");
  save.addEventListener("click", async () => {
    const { copy } = await bring("./copy.js");
    save.textContent = (await copy(me.token)) ? "Copied" : "Copy it on the account page";
    setTimeout(() => card.remove(), 1500);
  });
  card.querySelector("[data-later]").addEventListener("click", () => card.remove());
  document.body.append(card);
}

let asking = false;

// Who presses twice before it is there is asked once.
export async function ask(nameless = false) {
  if (asking) return "";
  asking = true;
  try {
    return await show(nameless);
  } finally {
    asking = false;
  }
}

// Asks; "new" or "known" as somebody has a new name now or one that was there, "" where it was put away. `nameless`: the key of one's own signer wants a name. Raises an Error where the forms
// cannot be had.
async function show(nameless) {
  const opener = document.activeElement;
  const [place, card] = await forms();
  const { dialog, body } = make("sheet", nameless ? "Your key needs a name here" : "Who are you?");
  body.replaceChildren(place);
  wire(body);
  let how = "";
  let isOver = false;
  const end = () => {
    if (how === "new") welcome(card);
    if (how) dispatchEvent(new Event("who")); // all is known of who writes from here now
  };
  const leave = join(place, (known) => {
    how = known;
    if (isOver) end(); // it was put away while the name was on its way
    else dialog.close();
  }, nameless);
  const closed = open(dialog, opener);
  (place.querySelector("#join-name") ?? place.querySelector("summary")).focus();
  await closed;
  isOver = true;
  leave();
  place.remove();
  end();
  return how;
}
