// How the page of a project asks the relay for a change, and hears of those of others.

import { bring } from "./act.js";
import { api } from "./api.js";
import { begin, follow } from "./wire.js";

const KINDS = [5, 1010, 1111, 1621, 1630, 1631, 1632, 1633, 9001, 9002, 9005];

// `authorize` makes the header of a request; a proof (NIP-98) is of what is sent, to the byte.
export async function call(authorize, method, path, body) {
  if (!authorize) throw new Error("Say first who you are, at “Sign in to write here”.");
  const url = `${location.origin}/api/v1${path}`;
  return api(method, path, body, { authorization: await authorize(method, url, JSON.stringify(body)) });
}

// Tells (`changed()`) of whatever happens in a project: over the WebSocket where everybody reads it, else by a stream of the user's.
export function watch(project, authorize, since, changed) {
  const state = (now) => now === "live" && changed();
  if (!authorize) {
    follow(since, { event: changed, state }, [{ kinds: KINDS, "#h": [project] }]);
    begin();
  } else {
    const told = (about) => about.group_id === project && changed();
    bring("./sse.js").then(({ listen }) => listen("/workspace/stream", new AbortController().signal, told, state, authorize));
  }
}
