// Reactions to the messages of a room: those that are there.

import { element } from "./dom.js";
import { find, room, steady } from "./messages.js";
import { arrange, holding } from "./texts.js";

export const FACES = { "+": "👍", "-": "👎" };

const counted = new Map(); // id of a message -> which question its reactions were asked for with
let questions = 0;

function chipOf(content) {
  const chip = element("button", "", { type: "button", className: "reaction" }, element("bdi", FACES[content] ?? content), " ", element("span"));
  chip.dataset.said = content;
  return chip;
}

// How many said what, and what one says oneself.
function show(place, { counts, mine }) {
  const there = new Map(Array.from(place.children, (chip) => [chip.dataset.said, chip]));
  const chips = [...counts].map(([content, count]) => {
    const chip = there.get(content) ?? chipOf(content);
    chip.setAttribute("aria-pressed", String(mine.has(content)));
    if (chip.lastElementChild.textContent !== `${count}`) chip.lastElementChild.textContent = count;
    return chip;
  });
  if (chips.length === there.size && chips.every((chip, at) => place.children[at] === chip)) return;
  steady(() => holding(place, () => arrange(place, chips)));
}

// The number of a question that is asked now and may bring tallies.
export const asked = () => ++questions;

// `at`: the number of the question that brought the tallies. What was asked for later of the same message stays.
function paint(tallies, at) {
  for (const [id, tally] of tallies) {
    if ((counted.get(id) ?? 0) > at) continue;
    const place = find(id)?.querySelector(".reactions");
    if (place) show(place, tally);
  }
}

export async function count(ids) {
  if (!ids.length) return;
  const at = asked();
  for (const id of ids) counted.set(id, at);
  paint(await room.source.reactions(ids), at);
}

// The reactions to messages that were read: those that came with them, or else they are asked for.
export const showCounts = async (tallies, at, drawn) => (tallies ? paint(tallies, at) : count(drawn.map((item) => item.dataset.id)));
