// The bell: how many notifications are unread, live. One tab of a browser listens (a stream of server-sent events, read with the
// key that the browser keeps) and tells the others; when it goes, the next one does. Where the relay cannot be reached the bell
// stays as it is and nothing is said.

import { api } from "./api.js";
import { adopt } from "./belongings.js";
import { me, personal, store, stored } from "./me.js";
import { listen } from "./sse.js";

const STORE = "unread";
const DOUBT = 30_000; // milliseconds in which what was told may still come

const link = document.getElementById("bell");
const count = document.getElementById("bell-count");
let others = hearOthers();

let turn = 0; // of the newest number: what is asked for earlier says less
let readAt = -Infinity; // when something was read in a tab of this browser: what the stream tells may have been counted before that
let asking = null;
let isDue = false;

let begunFor = "";
let leaving = null; // ends the stream of whoever was signed in before

const isDoubtful = () => performance.now() - readAt < DOUBT;
const remembered = () => Number(stored(personal(STORE))) || 0;

function show(unread) {
  turn += 1;
  count.textContent = unread > 99 ? "99+" : unread || "";
  link.querySelector(".unseen").textContent = unread ? "Notifications, unread: " : "Notifications";
  link.hidden = false;
  store(personal(STORE), unread ? String(unread) : "");
}

// So many are unread now: here and in the other tabs, where what was read here is news.
function tell(unread, wasRead = false) {
  show(unread);
  others.postMessage({ id: me.id, unread, wasRead });
}

async function ask() {
  while (isDue) {
    isDue = false;
    const mine = turn;
    const { unread_count: unread } = await api("GET", "/notifications/unread");
    if (mine === turn) tell(unread, isDoubtful());
  }
}

// How many are unread is asked of the relay, one question at a time.
function recount() {
  isDue = true;
  asking ??= ask().finally(() => { asking = null; });
  return asking;
}

const announce = () => dispatchEvent(new Event("notified")); // the page of notifications asks for what came

// `unread`: as the relay counts once something was read in this tab. Where more came meanwhile (`isBehind`), that is asked; where nothing answers, it is that.
export async function tellRead(unread, isBehind) {
  readAt = performance.now();
  if (!isBehind || await recount().then(() => false, () => true)) tell(unread, true);
}

// What the stream tells: the first count, too, since something may have come since the page was made.
function news({ unread_count: unread }) {
  if (isDoubtful()) recount().catch(() => null);
  else tell(unread);
  announce();
}

function hearOthers() {
  const channel = new BroadcastChannel("tidings.unread");
  channel.addEventListener("message", ({ data }) => {
    if (data.id !== me.id || !("unread" in data)) return;
    if (data.wasRead) readAt = performance.now();
    show(data.unread);
    announce();
  });
  return channel;
}

const hear = (signal) => listen("/stream/notifications", signal, news);

const aborted = (signal) => new Promise((resolve) => signal.addEventListener("abort", resolve));

// A page that one left listens no more: only so a browser keeps it as it is for who comes back.
addEventListener("pagehide", () => {
  leaving?.abort();
  others.close();
});
addEventListener("pageshow", ({ persisted }) => {
  if (!persisted) return;
  others = hearOthers();
  begunFor = "";
  begin();
});

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
  if (!navigator.locks) hear(signal); // no secure context: each tab listens for itself
  else navigator.locks.request(`tidings.unread.${me.id}`, { signal }, () => Promise.race([hear(signal), aborted(signal)])).catch(() => null);
}
