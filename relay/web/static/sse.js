// Server-sent events of the API, read by hand: an EventSource sends no key.

import { me } from "./me.js";

const LONGEST = 60_000; // milliseconds between two tries

// Until it ends or breaks. Answers the id to go on after, or nothing where there is no use in coming again.
async function read(path, after, signal, told, state, authorize) {
  const url = `${location.origin}/api/v1${path}`;
  const headers = { accept: "text/event-stream", authorization: await authorize("GET", url), ...(after && { "last-event-id": after }) };
  const response = await fetch(url, { headers, signal, cache: "no-store" });
  if ([401, 403, 404].includes(response.status)) return undefined;
  if (!response.ok) throw new Error(`${response.status}`);
  state("live");
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return after ?? "";
    const frames = (rest + value).split("\n\n");
    rest = frames.pop();
    for (const frame of frames) {
      const field = (name) => frame.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      const data = field("data");
      if (data) told(JSON.parse(data));
      after = field("id") ?? after;
    }
  }
}

// Tells what comes, and of the stream's state ("live", "lost", "refused"), until `signal` ends it; after a break it goes on where it was.
// `authorize(method, url)` makes the header of a request, that of the API key where nothing else is said.
export async function listen(path, signal, told, state = () => {}, authorize = () => `Bearer ${me.token}`) {
  let after = "";
  for (let tries = 0; !signal.aborted; tries++) {
    const began = Date.now();
    try {
      after = await read(path, after, signal, told, state, authorize);
      if (after === undefined) return state("refused");
    } catch {
      // it is tried again
    }
    state("lost");
    if (Date.now() - began > 10_000) tries = 0;
    const pause = Math.min(LONGEST, 1000 * 2 ** tries) * (0.5 + Math.random() / 2);
    await new Promise((resolve) => {
      setTimeout(resolve, pause);
      addEventListener("online", resolve, { once: true });
      signal.addEventListener("abort", resolve, { once: true });
    });
  }
  return undefined;
}
