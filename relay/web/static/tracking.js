// How the page of a project asks the relay for a change, and hears of those of others.

import { api } from "./api.js";
import { begin, follow } from "./wire.js";

const KINDS = [5, 1010, 1111, 1621, 1630, 1631, 1632, 1633, 9001, 9002, 9005];

// `authorize` makes the header of a request; a proof (NIP-98) is of what is sent, to the byte.
export async function call(authorize, method, path, body) {
  if (!authorize) throw new Error("Say first who you are: Write here.");
  const url = `${location.origin}/api/v1${path}`;
  return api(method, path, body, { authorization: await authorize(method, url, JSON.stringify(body)) });
}

// Tells (`changed()`) of whatever happens in a project: over the WebSocket where everybody reads it, else by a stream of the user's.
export function watch(project, authorize, since, changed) {
  if (!authorize) {
    const state = (now) => now === "live" && changed();
    follow(since, { event: changed, state }, { kinds: KINDS, "#h": [project] });
    begin();
  } else stream(project, authorize, changed);
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function stream(project, authorize, changed) {
  for (let tries = 0; ; tries++) {
    try {
      const url = `${location.origin}/api/v1/workspace/stream`;
      const headers = { accept: "text/event-stream", authorization: await authorize("GET", url) };
      const response = await fetch(url, { headers, cache: "no-store" });
      if (response.status === 401 || response.status === 403) return;
      if (!response.ok) throw new Error(`${response.status}`);
      changed();
      await listen(response.body.pipeThrough(new TextDecoderStream()).getReader(), project, changed, () => { tries = 0; });
    } catch {
      // as when it ends: it is opened again
    }
    await pause(Math.min(30_000, 500 * 2 ** tries) * (0.5 + Math.random() / 2));
  }
}

async function listen(reader, project, changed, begun) {
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    begun();
    const frames = (rest + value).split("\n\n");
    rest = frames.pop();
    for (const frame of frames) {
      const data = frame.split("\n").find((line) => line.startsWith("data: "));
      if (data && JSON.parse(data.slice(6)).group_id === project) changed();
    }
  }
}
