// A room, alive: how it opens and closes, and what its reader does with a message. What happens in it is in hearing.js, what one says
// in saying.js.

import { bring, composes, holdsKeyboard, toast, words } from "./act.js";
import { element } from "./dom.js";
import { draw, pieces } from "./drawing.js";
import { take } from "./hearing.js";
import { lookAgain, onStanding } from "./membership.js";
import { field, form, gate, items, list, older, place, room, seen, settle, showUnread, target, toEnd } from "./messages.js";
import { asked, count, showCounts } from "./reactions.js";
import { mark } from "./rooms.js";
import { answer, attempt, cancel, change, resume } from "./saying.js";
import { overSocket, said } from "./sources.js";
import { moderates } from "./standing.js";
import { isSure } from "./sure.js";
import { takeOut } from "./texts.js";
import { me, needWriter, ready } from "./who.js";
import { now } from "./wire.js";

const { isOpen, id: group } = room;
const dot = document.getElementById("live");
const inside = document.querySelector(".inside");

const rest = () => bring("./more-messages.js");
const privately = () => bring("./private-room.js");
const sending = () => bring("./groups.js");
const failing = (error) => toast(words(error));

// While it is open

const STATES = { live: "live", lost: "reconnecting", refused: "not live" };
let lost = false;

// `gap`: something may have come that was not told.
function tell(state, gap = lost) {
  dot.dataset.state = state;
  dot.firstElementChild.textContent = STATES[state];
  if (state === "live") watcher.observe(older);
  if (state === "live" && gap) rest().then(({ catchUp }) => catchUp()).catch(() => null);
  if (state === "refused" && !isOpen) close("This room is not open to you any more.");
  lost = state === "lost";
}

function hear(event) {
  if (event.kind === 9008) end();
  else if (event.kind === 9000 || event.kind === 9001) moved(event);
  else take(event);
}

function moved(event) {
  if (event.tags.some((tag) => tag[0] === "p" && me.keys.has(tag[1]))) lookAgain();
  if (inside.open) showMembers();
}

function close(words) {
  list.replaceChildren();
  form.hidden = true;
  older.hidden = true;
  gate.textContent = words;
  gate.hidden = false;
  settle();
}

// Nobody joins, leaves or is in what was deleted.
function end() {
  close("This room was deleted.");
  for (const part of document.querySelectorAll("#membership, .crowd")) part.hidden = true;
}

const showMembers = () => bring("./crowd.js").then(({ show }) => show(room.source, pieces)).catch(() => null);
inside.addEventListener("toggle", () => inside.open && room.source && showMembers());

// Older messages come as one scrolls there. Where they do not, that is tried again when one presses, or when the connection is back.
const loadOlder = () => rest().then((script) => script.loadOlder()).then((isDone) => isDone && watcher.observe(older));
older.addEventListener("click", (click) => {
  if (!room.source) return;
  click.preventDefault();
  loadOlder().catch(failing);
});
const watcher = new IntersectionObserver((entries) => {
  if (!entries.some((entry) => entry.isIntersecting)) return;
  watcher.unobserve(older);
  loadOlder().catch(() => null);
}, { rootMargin: "300px" });

// What the reader does

async function reacting(button, item, content, pressed) {
  const ofIt = target(item);
  const mine = [...said].filter(([, one]) => one.of === ofIt.id && me.keys.has(one.pubkey)).map(([id]) => id);
  await needWriter(() => attempt(button, async () => {
    const { react, unreact } = await sending();
    await (pressed ? unreact(group, ofIt, mine) : react(group, ofIt, content));
    await count([ofIt.id]);
  }));
}

const palette = (button, item) => bring("./palette.js").then(({ toggle }) => toggle(button, item)).catch(failing);

const ACTIONS = {
  reply: (_button, item) => needWriter(() => answer(item)),
  cancel,
  edit: (button, item) => needWriter(() => attempt(button, () => change(item))).then(() => field.focus()),
  react: palette,
  choose: async (button, item) => {
    item.querySelector("[data-react]").focus();
    palette(item.querySelector("[data-react]"), item);
    await reacting(button, item, button.dataset.choose, false);
  },
  said: (button, item) => reacting(button, item, button.dataset.said, button.getAttribute("aria-pressed") === "true"),
  delete: (button, item) => {
    if (isSure(button, "Really delete?")) attempt(button, async () => {
      await (await sending()).removeMessage(group, target(item), moderates(room.roles));
      takeOut(item, holdsKeyboard(item));
      settle();
    });
  },
};

addEventListener("click", (event) => {
  const versions = isOpen ? null : event.target.closest?.("a.edited");
  if (versions && room.source) {
    event.preventDefault();
    bring("./versions.js").then(({ show }) => show(versions.closest(".message"), room.source, pieces)).catch(failing);
  }
  const button = event.target.closest?.("button");
  const action = button && room.source && Object.keys(ACTIONS).find((name) => name in button.dataset);
  if (action) ACTIONS[action](button, button.closest(".message"));
});
addEventListener("keydown", (key) => {
  if (key.key !== "Escape" || composes(key)) return;
  const opener = key.target.closest?.(".palette")?.parentElement.querySelector("[data-react]");
  if (!opener) return cancel();
  palette(opener, opener.closest(".message"));
  opener.focus();
});

// Beginning

const drafts = bring("./drafts.js");
for (const script of [drafts, bring("./palette.js"), rest()]) script.catch(() => null); // a relay that was started anew may have others

async function begin(source) {
  room.source = source;
  const since = isOpen ? Number(list.dataset.now) : now();
  if (!isOpen) {
    const at = asked();
    const { events, more, tallies } = await source.page(null);
    gate.hidden = true;
    if (events.length) for (const item of await draw(events.reverse())) place(item);
    older.hidden = !more;
    settle();
    await showCounts(tallies, at, items());
    room.home ||= await privately().then(({ introduce }) => introduce(source, group)).catch(() => "");
    await showMembers();
  } else if (me.keys.size) showCounts(null, 0, items()).catch(() => null);
  form.hidden = Boolean(room.home);
  settle();
  const line = showUnread();
  if (line) line.scrollIntoView({ block: "center" });
  else if (!location.hash) toEnd();
  seen();
  watcher.observe(older);
  await drafts.then(resume).catch(() => null); // without it the room is as it was
  lost = Boolean(source.forgets); // what was said since the page was read, it does not tell
  source.live(since, { event: hear, state: tell, elsewhere: mark });
}

const INVITED = "You are invited to this room, which its members alone read. Join, and you are one.";
const invited = () => !isOpen && new URLSearchParams(location.search).has("code");
let entering = null;

const enter = () => (entering ??= tryToEnter().finally(() => { entering = null; }));

async function tryToEnter() {
  if (room.source && (isOpen || gate.hidden)) return;
  if (isOpen) return begin(overSocket(group, false));
  try {
    if (!me.token && !me.own) return (await privately()).offerExtension(gate, enter);
    await begin(room.source ?? (me.token ? (await privately()).overApi(group) : overSocket(group, true)));
  } catch (error) {
    const strange = error.status === 403 || error.status === 404;
    const again = { type: "button", className: "plain-button", onclick: enter };
    if (!strange) gate.replaceChildren(words(error), " ", element("button", "Try again", again));
    else gate.textContent = invited() ? INVITED : "This room is for its members, and you are none yet.";
    gate.hidden = false;
  }
}

onStanding((now) => {
  const left = room.roles !== null && now === null;
  const came = room.roles === null && now !== null;
  room.roles = now;
  if (left && !isOpen) close("This room is for its members.");
  else if (came && !isOpen) Promise.resolve(entering).then(enter); // who was not let in a moment ago
  settle();
});
if (invited()) gate.textContent = INVITED;
dispatchEvent(new Event("alive"));
await ready();
await enter();
