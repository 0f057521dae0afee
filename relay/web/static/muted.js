// Whom and what one muted, as the relay knows it: read once in a session, for what this browser puts away.

import { bring } from "./act.js";
import { api } from "./api.js";
import { me, personal, stored } from "./me.js";

const READ = "tidings.muted.read"; // whose list this session has read

export async function learn() {
  try {
    const { id } = me;
    if (sessionStorage.getItem(READ) === id) return;
    const before = stored(personal("muted"));
    const found = await api("GET", "/muted");
    if (me.id !== id || stored(personal("muted")) !== before) return; // somebody was muted, or signed in, meanwhile: the next page asks again
    if (found.keys.length || found.words.length || stored(personal("muted"))) (await bring("./away.js")).learned(found);
    sessionStorage.setItem(READ, id);
  } catch {
    // the next page tries again
  }
}
