// Who is in a room.

import { fill, holding } from "./texts.js";

let turn = 0; // of the newest question: what comes of an earlier one comes too late

// `source` and `pieces` are those of the room.
export async function show(source, pieces) {
  const mine = ++turn;
  const { count, members } = await source.members();
  const page = await pieces({ members: members.slice(0, 100) });
  if (mine !== turn) return;
  const crowd = document.getElementById("members");
  holding(crowd, () => fill(crowd, page.querySelector("ul")));
  document.getElementById("member-count").textContent = count;
  document.querySelector(".inside").hidden = false;
}
