// More of a room than the page has: what was said before, and what was said while the connection was lost.

import { draw, isBehind, renew } from "./drawing.js";
import { arrive } from "./hearing.js";
import { find, items, list, older, place, room, settle, steady } from "./messages.js";
import { once } from "./next.js";
import { asked, showCounts } from "./reactions.js";
import { takeOut } from "./texts.js";

const BACK = 10; // pages

// After a break: the newest messages, read again as far as to what is here. Where BACK pages do not reach that, the list begins anew.
export async function catchUp() {
  const present = items(); // what comes meanwhile stays
  const at = asked();
  let { events, more, tallies } = await room.source.page(null);
  const reaches = () => !items().length || events.some((event) => find(event.id));
  for (let pages = 1; pages < BACK && more && events.length && !reaches(); pages++) {
    const next = await room.source.page({ at: events.at(-1).created_at, id: events.at(-1).id });
    events = [...events, ...next.events];
    more = next.more;
    tallies &&= new Map([...tallies, ...next.tallies]);
  }
  if (!reaches()) {
    list.replaceChildren(...items().filter((item) => !present.includes(item)));
    older.hidden = !more;
  }
  const oldest = events.at(-1)?.created_at ?? 0;
  const ids = new Set(events.map((event) => event.id));
  steady(() => {
    for (const item of present) if (item.isConnected && Number(item.dataset.at) > oldest && !ids.has(item.dataset.id)) takeOut(item);
  });
  const missing = events.filter((event) => !find(event.id));
  for (let end = missing.length; end > 0; end -= 50) await arrive(missing.slice(Math.max(0, end - 50), end));
  if (!missing.length) settle();
  const old = items().filter((item) => ids.has(item.dataset.id) && isBehind(item));
  if (old.length) await renew(old.map((item) => item.dataset.id));
  await showCounts(tallies, at, items());
}

// Whether that is done.
export async function loadOlder() {
  const first = list.querySelector(".message");
  if (older.hidden || !first) return false;
  return once(older, async () => {
    const at = asked();
    const { events, more, tallies } = await room.source.page({ at: Number(first.dataset.at), id: first.dataset.id });
    const drawn = events.length ? await draw(events.reverse()) : [];
    if (!first.isConnected) return; // the list began anew, or another is the first by now
    steady(() => {
      for (const item of drawn) place(item);
      settle();
      older.hidden = !more;
    });
    await showCounts(tallies, at, drawn);
  });
}
