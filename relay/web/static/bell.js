// The bell: how many notifications are unread, live. One tab of a browser listens (a stream of server-sent events, read with the
// key that the browser keeps) and tells the others; when it goes, the next one does. Where the relay cannot be reached the bell
// stays as it is and nothing is said.

import { adopt } from "./belongings.js";
import { me, personal, store, stored } from "./me.js";
import { listen } from "./sse.js";

const STORE = "unread";

const link = document.getElementById("bell");
const count = document.getElementById("bell-count");
let others = hearOthers();

let begunFor = "";
let leaving = null; // ends the stream of whoever was signed in before

const remembered = () => Number(stored(personal(STORE))) || 0;

function show(unread, news = false) {
  count.textContent = unread > 99 ? "99+" : unread || "";
  link.querySelector(".unseen").textContent = unread ? "Notifications, unread: " : "Notifications";
  link.hidden = false;
  store(personal(STORE), unread ? String(unread) : "");
  if (news) dispatchEvent(new Event("notified")); // the page of notifications asks for them
}

// So many are unread now: here and in the other tabs, where what was read here is news. `news`: something may have come, and was not only read.
export function tell(unread, news = false) {
  show(unread, news);
  others.postMessage({ id: me.id, unread });
}

function hearOthers() {
  const channel = new BroadcastChannel("tidings.unread");
  channel.addEventListener("message", ({ data }) => {
    if (data.id === me.id && "unread" in data) show(data.unread, true);
  });
  return channel;
}

// The first count, too: something may have come since the page was made.
const hear = (signal) => listen("/stream/notifications", signal, ({ unread_count }) => tell(unread_count, true));

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
