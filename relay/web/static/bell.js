// The bell: how many notifications are unread, live. One tab of a browser listens (a stream of server-sent events, read with the
// key that the browser keeps) and tells the others; when it goes, the next one does. Where the relay cannot be reached the bell
// stays as it is and nothing is said.

import { adopt } from "./belongings.js";
import { me, personal, store, stored } from "./me.js";

const STORE = "unread";
const LONGEST = 60_000; // milliseconds between two tries

const link = document.getElementById("bell");
const count = document.getElementById("bell-count");
const others = new BroadcastChannel("tidings.unread");

let begunFor = "";
let leaving = null; // ends the stream of whoever was signed in before

const remembered = () => Number(stored(personal(STORE))) || 0;

function show(unread) {
  count.textContent = unread > 99 ? "99+" : unread || "";
  link.querySelector(".unseen").textContent = unread ? "Notifications, unread: " : "Notifications";
  link.hidden = false;
  store(personal(STORE), unread ? String(unread) : "");
}

// So many are unread now: here and in the other tabs.
export function tell(unread) {
  show(unread);
  others.postMessage({ id: me.id, unread });
}

others.addEventListener("message", ({ data }) => {
  if (data.id === me.id && "unread" in data) show(data.unread);
});

function hear(frame) {
  const field = (name) => frame.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
  const data = field("data");
  if (data) tell(JSON.parse(data).unread_count);
  return field("id");
}

// Until it ends or breaks. Answers the id to go on after, or nothing where there is no use in coming again.
async function listen(after, signal) {
  const headers = { accept: "text/event-stream", authorization: `Bearer ${me.token}`, ...(after && { "last-event-id": after }) };
  const response = await fetch("/api/v1/stream/notifications", { headers, signal });
  if ([401, 403, 404].includes(response.status)) return undefined;
  if (!response.ok) throw new Error(`${response.status}`);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return after ?? "";
    const frames = (rest + value).split("\n\n");
    rest = frames.pop();
    for (const frame of frames) after = hear(frame) ?? after;
  }
}

async function goOn(signal) {
  let after = "";
  for (let tries = 0; !signal.aborted; tries++) {
    const began = Date.now();
    try {
      after = await listen(after, signal);
      if (after === undefined) return;
    } catch {
      // it is tried again
    }
    if (Date.now() - began > 10_000) tries = 0;
    const pause = Math.min(LONGEST, 1000 * 2 ** tries) * (0.5 + Math.random() / 2);
    await new Promise((resolve) => {
      setTimeout(resolve, pause);
      addEventListener("online", resolve, { once: true });
    });
  }
}

// For who has nothing but a signer the bell is there too: its page asks the signer, once (mine.js).
export function begin() {
  adopt();
  if (!me.token) link.hidden = !me.own;
  if (begunFor === me.token) return;
  begunFor = me.token;
  leaving?.abort();
  if (!me.token) {
    count.textContent = "";
    return;
  }
  show(remembered());
  leaving = new AbortController();
  const { signal } = leaving;
  if (!navigator.locks) goOn(signal); // no secure context: each tab listens for itself
  else navigator.locks.request(`tidings.unread.${me.id}`, { signal }, () => goOn(signal)).catch(() => null);
}
