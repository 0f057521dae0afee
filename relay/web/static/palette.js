// A few reactions to choose from, loaded when somebody asks for them.

import { holdsKeyboard } from "./act.js";
import { element } from "./dom.js";
import { FACES } from "./reactions.js";

const PALETTE = ["+", "❤️", "😂", "🎉", "👀", "🌊"];

// Shows them below a message, or puts them away.
export function toggle(button, item) {
  const present = item.querySelector(".palette");
  button.setAttribute("aria-expanded", String(!present));
  if (present) return present.remove();
  const row = element("span", "", { className: "palette" }, ...PALETTE.map((content) => {
    const choice = element("button", FACES[content] ?? content, { type: "button", className: "reaction" });
    choice.dataset.choose = content;
    return choice;
  }));
  button.before(row);
  if (holdsKeyboard(item)) row.firstElementChild.focus();
  return undefined;
}
