// Drafts: what somebody has begun to write, kept in this browser for each place.

import { personal } from "./me.js";

const KEPT = 40; // drafts in this browser; the oldest go first
export const PAUSE = 400; // milliseconds after the last key before a draft is kept

function storage(work) {
  try {
    return work(localStorage);
  } catch {
    return null; // switched off or full: then nothing is kept
  }
}

const named = (place) => personal(`draft.${place}`);

// Its fields by their names, undefined where there is none.
export const read = (place) => storage((store) => JSON.parse(store.getItem(named(place))))?.fields;

export function keep(place, fields) {
  storage((store) => {
    store.setItem(named(place), JSON.stringify({ fields, at: Date.now() }));
    const all = Object.keys(store).filter((name) => name.startsWith(named("")));
    if (all.length <= KEPT) return;
    const age = (name) => JSON.parse(store.getItem(name))?.at ?? 0;
    store.removeItem(all.reduce((oldest, name) => (age(name) < age(oldest) ? name : oldest)));
  });
}

// A draft with what was typed before it was read, or what the browser has filled in again.
export function joined(kept, typed) {
  if (kept.includes(typed)) return kept;
  return typed.includes(kept) ? typed : `${kept}\n\n${typed}`;
}

// Also what was begun before its writer had a name.
export const drop = (place) => storage((store) => [named(place), personal(`draft.${place}`, "")].forEach((name) => store.removeItem(name)));

// The page may end now: a browser that freezes a page that nobody looks at, or ends it, says no other word before.
export function onParting(save) {
  addEventListener("pagehide", save);
  document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && save());
}

// Keeps what is typed into one field. `said()` is what is to be kept. Answers what does so at once.
export function follow(field, place, said) {
  let timer = 0;
  const save = () => {
    clearTimeout(timer);
    timer = 0;
    if (said().trim()) keep(place, { [field.name]: said() });
    else drop(place);
  };
  field.addEventListener("input", () => { timer ||= setTimeout(save, PAUSE); });
  onParting(() => timer && save());
  return save;
}
