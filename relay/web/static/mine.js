// A page that is one's own (notifications, following, saved): asked for again with the key that this browser keeps, and put in
// place of the one that everybody gets. What it looks like comes from the relay; no text is put together with markup here.

import { bring, complain } from "./act.js";
import { signer } from "./me.js";
import { read } from "./private.js";
import { me, needWriter, ready } from "./who.js";

const place = document.getElementById("mine");
const bare = place.cloneNode(true); // where readers are asked who they are, the relay knew them by their cookie: it is no page for everybody
const SCRIPTS = {
  notifications: () => bring("./notes.js"),
  following: () => bring("./feed.js"),
  saved: () => bring("./kept.js"),
  reports: () => bring("./moderating.js"),
};

let shown = null; // the address of what is shown
let turn = 0; // of the newest page that was asked for: others come too late
let isBehind = false; // something came that may not be on the page that was asked for, and its script was not there to hear of it
addEventListener("notified", () => { isBehind = true; });

// The page at this address, as it is for whoever reads.
export async function show(url) {
  const mine = ++turn;
  place.setAttribute("aria-busy", "true");
  try {
    // What is pressed at once is heard: the script is there first, but for that of a feed, which looks for its list.
    const script = SCRIPTS[place.dataset.page];
    const isFeed = place.dataset.page === "following";
    const [page, early] = await Promise.all([read(url), isFeed ? undefined : script()]);
    if (mine !== turn) return;
    place.replaceChildren(...document.adoptNode(page.getElementById("mine")).childNodes);
    shown = url;
    early?.begin(place, isBehind);
    if (isFeed) await script();
  } catch (error) {
    if (!me.token) ask();
    if (mine === turn) complain(place.querySelector(".asks") ?? place, error);
  } finally {
    if (mine === turn) place.removeAttribute("aria-busy");
  }
}

// What the relay sent at once for whom it knew by their cookie: what they do there must not be taken back by the same page once more.
async function stay() {
  shown = location.href;
  try {
    const { begin } = await SCRIPTS[place.dataset.page]();
    begin?.(place, isBehind);
  } catch {
    dispatchEvent(new Event("lacking"));
  }
}

// For who is signed in with nothing but a signer: its owner is asked once, for a token that reads.
async function enter() {
  if (!me.token && signer()) {
    const { logIn } = await bring("./login.js");
    await logIn();
  }
  await show(location.href);
}

function ask() {
  if (!bare.querySelector("[data-enter]")) return location.reload();
  place.replaceChildren(...bare.cloneNode(true).childNodes);
  const button = place.querySelector("[data-enter]");
  button.textContent = signer() && me.own ? "Show it with my key" : "Sign in";
  button.hidden = false;
  button.addEventListener("click", () => needWriter(async () => {
    button.disabled = true;
    await enter().catch((error) => {
      if (error.nameless) throw error;
      complain(button.closest(".asks"), error);
    }).finally(() => { button.disabled = false; });
  }));
}

// Links to other parts of the same page, and back again.
place.addEventListener("click", (click) => {
  const link = click.target.closest(".tabs a");
  if (!link || link.origin !== location.origin || link.pathname !== location.pathname) return;
  if (click.defaultPrevented || click.metaKey || click.ctrlKey || click.shiftKey || click.button) return;
  click.preventDefault();
  history.pushState(null, "", link.href);
  show(link.href);
});
addEventListener("popstate", () => {
  if (me.token && shown && location.href !== shown) show(location.href);
});

// What the browser kept as it was may be otherwise by now; notifications and posts come by themselves.
addEventListener("pageshow", ({ persisted }) => {
  if (persisted && me.token && ["saved", "reports"].includes(place.dataset.page)) show(location.href);
});

await ready();
if (me.token && place.dataset.mine === me.id) await stay();
else if (me.token) {
  const waiting = place.querySelector("[data-words]");
  if (waiting) waiting.textContent = waiting.dataset.words;
  await show(location.href);
} else ask();
dispatchEvent(new Event("alive"));
