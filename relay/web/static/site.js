// What every page has: the name that this browser writes as, the choice of the theme, and buttons that copy.

import { bring, composes, toast, words } from "./act.js";
import { STORE, me, recall, stored } from "./me.js";

const root = document.documentElement;
const themes = document.getElementById("themes");

// A cookie for the relay, which reads it as it makes the next page. The relay sets it too: what scripts set Safari forgets after a week.
// One after the other: the answer to an earlier choice sets that back.
const chosen = {};
let telling = Promise.resolve();
function remember(name, value, door) {
  const put = () => { document.cookie = `${name}=${value}; path=/; max-age=${value ? 31536000 : 0}; samesite=lax`; };
  chosen[name] = put;
  put();
  const tell = () => fetch(door, { method: "POST", body: new URLSearchParams({ [name]: value }), redirect: "manual", keepalive: true });
  telling = telling.then(tell).catch(() => null).then(() => put === chosen[name] || chosen[name]());
}

function paint(theme) {
  if (theme) root.dataset.theme = theme;
  else delete root.dataset.theme;
  document.querySelector("meta[name=color-scheme]").content = theme || "light dark";
  for (const each of themes?.elements.theme ?? []) each.setAttribute("aria-pressed", String(each.value === theme));
}

themes?.addEventListener("submit", (submit) => {
  submit.preventDefault();
  paint(submit.submitter.value);
  remember("theme", submit.submitter.value, "/theme"); // so that it comes in the right theme at once (`relay/http/rendering/theme.py`)
});

// Signing in happens on the spot. Whoever is known already is led to the account.
const account = document.getElementById("account");
addEventListener("click", (click) => {
  const link = click.target.closest?.("#account, [data-sign-in]");
  if (!link || account.classList.contains("known") || click.ctrlKey || click.metaKey || click.shiftKey) return;
  click.preventDefault();
  bring("./sheet.js").then(({ ask }) => ask()).then((how) => how === "known" && location.reload(), () => { location.href = link.href; });
});

// What somebody asked for, and whose script does not come.
const tell = (error) => toast(words(error));

// What is pressed on a post, a comment, a message or a page of one's own, or sends a form, before the script that sees to it has come: marked, and done once that is `alive`.
// Where a script of the page itself does not come, that is told: nothing but loading the page again brings it.
const early = new Set();
let isWhole = true;
const LACKING = "A part of this page did not come. Load it again in a moment.";
function lack() {
  isWhole = false;
  for (const pressed of early) delete pressed.dataset.early;
  toast(LACKING, true);
}
addEventListener("error", ({ target }) => target.matches?.("script") && lack(), true);
addEventListener("lacking", lack); // closed.js
function keep(click) {
  const pressed = click.target.closest?.(":is(.item, .message, #mine) :is([type=button], .menu > summary), main [method=dialog] [type=submit]");
  if (!pressed) return;
  click.preventDefault();
  if (!isWhole) toast(LACKING, true);
  else pressed.dataset.early = "";
  early.add(pressed);
}
addEventListener("click", keep);
addEventListener("alive", () => {
  window.removeEventListener("click", keep);
  for (const pressed of early) {
    delete pressed.dataset.early;
    pressed.click();
  }
}, { once: true });

// A double click is one click: the second would take back what the first did. Who jumps from one to the next may do so quickly.
addEventListener("click", (click) => {
  if (click.detail < 2 || !click.target.closest?.("button") || click.target.closest("#jumps")) return;
  click.preventDefault();
  click.stopImmediatePropagation();
}, true);

// What copies is loaded where there is something to copy.
if (document.querySelector("[data-copy]")) bring("./copy.js");
for (const each of ["pointerover", "focusin"]) { // Safari copies nothing once a script was awaited after the click
  addEventListener(each, ({ target }) => target.closest?.(".code")?.querySelector("[data-copy-code]") && bring("./copy.js").catch(() => null));
}
addEventListener("click", ({ target }) => {
  const button = target.closest?.("[data-copy-code]");
  if (button) bring("./copy.js").then(({ copyCode }) => copyCode(button), tell);
});
// A picture from elsewhere is loaded when it is asked for, by a plain click; any other opens it in a tab of its own.
addEventListener("click", (click) => {
  const link = click.target.closest?.("a.picture:not(.shown)");
  if (!link || click.ctrlKey || click.metaKey || click.shiftKey || !link.href.startsWith("https:")) return;
  click.preventDefault();
  bring("./picture.js").then(({ show }) => show(link), tell);
});

// The search box looks while one types; that is loaded once somebody goes to it.
for (const each of ["focusin", "input"]) document.getElementById("find").addEventListener(each, () => bring("./search.js"));

// The keyboard, where nobody types; what the keys do is loaded with the first of them. What is typed after a "/" is looked for.
const TYPING = "input:not([type=checkbox]), textarea, select, [contenteditable]";
addEventListener("keydown", (key) => {
  if (key.ctrlKey || key.metaKey || key.altKey || composes(key) || key.key.length > 1 || key.key === " ") return;
  if (key.target.closest?.(TYPING) || document.querySelector("dialog[open]")) return;
  const isOff = Boolean(stored("tidings.keys"));
  if (key.key === "/" && !isOff) {
    key.preventDefault();
    return document.getElementById("find-q").focus(); // once, and at once
  }
  if (!isOff || key.key === "?") bring("./keys.js").then(({ take }) => take(key.key), tell);
});

// What this place is, for who comes first, without a name and the cookie that it was read (`relay/http/rendering/first_visit.py`).
const endFirst = () => remember("first", "over", "/first-visit");
document.getElementById("first")?.addEventListener("submit", (submit) => {
  submit.preventDefault();
  endFirst();
  submit.target.closest("section").remove();
});

// A script that the page would load by itself and that does not come, as where the relay is away: nobody asked for it, and nobody is
// told. What a reader asks for says so where it is asked (`words` in act.js).
addEventListener("unhandledrejection", (failed) => {
  if (failed.reason instanceof TypeError && /import/i.test(failed.reason.message)) failed.preventDefault();
});

addEventListener("scroll", () => bring("./turned.js"), { once: true, passive: true });

root.classList.add("scripted");

// The bell, for who is known; what the page itself needs goes first, for a second at most: a browser may never be idle.
const later = window.requestIdleCallback ?? ((then) => setTimeout(then, 200));
let ringing = false;
addEventListener("who", () => {
  const known = me.token || me.own;
  const first = document.getElementById("first");
  if (known && first) {
    if (navigator.userActivation?.hasBeenActive) first.requestSubmit();
    else endFirst(); // nothing moves for who is known from the start: it is on the next page no more
  }
  if (ringing || known) later(async () => {
    ringing = true;
    (await bring("./bell.js")).begin();
  }, { timeout: 1000 });
});
recall();

// Who signs in, or gets another key, in another tab does so in this one; of somebody who is gone there nothing stays here, not even in a
// field, which a browser fills again after a reload.
function lookAgain() {
  const { token, id } = me;
  recall();
  if (!token || me.id === id) return;
  for (const form of document.forms) form.reset();
  location.reload();
}
addEventListener("storage", ({ key }) => (!key || key === STORE) && lookAgain());
// A page that one comes back to as it was heard of nothing meanwhile.
addEventListener("pageshow", ({ persisted }) => {
  if (!persisted) return;
  paint(/(?:^|; )theme=(\w+)/.exec(document.cookie)?.[1] ?? "");
  lookAgain();
});
