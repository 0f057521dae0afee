// What this browser keeps of its reader beside the name itself: drafts, what they hid, muted and have read. It follows them when
// they get a name, waits for them when their key is not good any more, and goes when they sign out.

import { me, personal, signOut, store, stored, useSigner } from "./me.js";

const NAMELESS = /^tidings\.(?:draft\..*|hidden|muted|read|seen|unread)$/; // what is kept of who has no name yet

function names(whose) {
  const begins = personal("", whose);
  try {
    return Object.keys(localStorage).filter((name) => (whose ? name.startsWith(begins) : NAMELESS.test(name)));
  } catch {
    return []; // storage is switched off
  }
}

export const drafts = () => names(me.id || me.own).filter((name) => name.startsWith(personal("draft."))).length;

// What was kept of somebody without a name, or of this key, is of who is here now. What they have already stays, but a draft does not.
export function adopt(whose = "") {
  const now = me.id || me.own;
  const some = now && now !== whose ? names(whose) : [];
  for (const name of some) {
    const to = personal(name.slice(personal("", whose).length));
    const value = stored(name);
    store(name, ""); // first: where storage is full, there is room for it then
    if ((!stored(to) || name.includes(".draft.")) && !store(to, value)) store(name, value);
  }
  if (some.length) dispatchEvent(new Event("who"));
}

// Signs out, and leaves nothing of the reader in this browser.
export function leave() {
  const gone = [...names(me.id || me.own), ...(me.own ? names(me.own) : [])];
  useSigner("");
  signOut();
  for (const name of gone) store(name, "");
  document.cookie = "reader=; path=/; max-age=0"; // closed.js
}
