// Whom and what one muted, as the relay knows it: read once in a session, for what this browser puts away.

import { api } from "./api.js";
import { learned } from "./away.js";
import { me } from "./me.js";

const READ = "tidings.muted.read"; // whose list this session has read

export async function learn() {
  try {
    if (sessionStorage.getItem(READ) === me.id) return;
    learned(await api("GET", "/muted"));
    sessionStorage.setItem(READ, me.id);
  } catch {
    // the next page tries again
  }
}
