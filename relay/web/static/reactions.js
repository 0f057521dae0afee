// Reactions to a message of a room: those that are there.

import { element } from "./dom.js";
import { arrange, holding } from "./texts.js";

export const FACES = { "+": "👍", "-": "👎" };

function chipOf(content) {
  const chip = element("button", "", { type: "button", className: "reaction" }, element("bdi", FACES[content] ?? content), " ", element("span"));
  chip.dataset.said = content;
  return chip;
}

// How many said what, and what one says oneself. `change` is given what moves something on the page.
export function show(place, { counts, mine }, change) {
  const there = new Map(Array.from(place.children, (chip) => [chip.dataset.said, chip]));
  const chips = [...counts].map(([content, count]) => {
    const chip = there.get(content) ?? chipOf(content);
    chip.setAttribute("aria-pressed", String(mine.has(content)));
    if (chip.lastElementChild.textContent !== `${count}`) chip.lastElementChild.textContent = count;
    return chip;
  });
  if (chips.length === there.size && chips.every((chip, at) => place.children[at] === chip)) return;
  change(() => holding(place, () => arrange(place, chips)));
}
