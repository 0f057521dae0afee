// In a list: how many comments a post got since it was last read in this browser (thread.js keeps what was there then).

import { all, onChange } from "./items.js";
import { personal, stored } from "./me.js";

const read = () => new Map(JSON.parse(stored(personal("seen")) ?? "[]").map(([id, , , count]) => [id, count]));
let counts = read();

function tell(items) {
  for (const item of items) {
    const count = counts.get(item.dataset.id);
    const comments = item.querySelector("[data-part=replies]");
    if (count === undefined || !comments) continue;
    const fresh = Math.max(0, parseInt(comments.textContent, 10) - count);
    let told = item.querySelector(".unread");
    if (!told && fresh) {
      told = Object.assign(document.createElement("a"), { className: "unread", href: `/post/${item.dataset.id}#new` });
      comments.parentElement.after(told);
    }
    if (told) told.textContent = fresh ? `${fresh} new` : "";
  }
}

onChange(tell);
addEventListener("pageshow", ({ persisted }) => {
  if (!persisted) return;
  counts = read(); // what was read since the page was left
  tell(all());
});
tell(all());
