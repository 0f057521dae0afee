// A room, alive: what is said, and what its reader does. How messages look comes from the relay
// (`/chat-pieces`); no text of a stranger is ever put together with markup here.

import { bring, composes, holdsKeyboard, toast, words } from "./act.js";
import { off } from "./dom.js";
import { personal } from "./me.js";
import { lookAgain, onStanding } from "./membership.js";
import { show as showReactions } from "./reactions.js";
import { mark } from "./rooms.js";
import { edit, overSocket, said, texts } from "./sources.js";
import { moderates } from "./standing.js";
import { isSure } from "./sure.js";
import { become, holding, takeOut } from "./texts.js";
import { me, needWriter, ready } from "./who.js";
import { now, soon } from "./wire.js";

const READ = "read"; // by room: when the newest message seen was written
const ROOMS = 500; // remembered so
const BACK = 10;
const SPREAD = 60; // milliseconds; what arrives in them is drawn together

const list = document.getElementById("messages");
const older = document.getElementById("older");
const form = document.getElementById("say");
const field = form.elements.content;
const answering = document.getElementById("answering");
const gate = document.getElementById("gate");
const empty = document.getElementById("empty");
const fresh = document.getElementById("fresh");
const news = document.getElementById("news");
const dot = document.getElementById("live");
const inside = document.querySelector(".inside");
const group = list.dataset.group;
const isOpen = list.dataset.open === "1";
let home = list.dataset.home; // of a room of another relay, only read here

const known = new Map(); // id -> event, of those that came as such
const arriving = new Map();
const stale = new Set(); // ids whose reactions are counted anew
const counted = new Map(); // id of a message -> which question its reactions were asked for with
let questions = 0;
const outdated = new Set(); // ids whose text is
let source = null;
let roles = null;
const gone = new Set(); // "<id> <key>" of what was deleted: it does not come back with what was asked for before; "" for the key of a moderator
const anew = new Set(); // "<key> <second>" of messages that their authors deleted: what they say of that second is an edit
let above = null; // the message that is being answered
let changing = null; // the message of one's own that is being edited, and since when it says what it says
let wished = 0; // how often one to edit was: what comes of an earlier wish comes too late
let aside = ""; // what was typed before that
let timer = 0;
let unseen = 0;
let keepDraft = () => {};

const items = () => [...list.querySelectorAll(".message")];
const find = (id) => list.querySelector(`.message[data-id="${CSS.escape(id)}"]`);
const target = (item) => ({ id: item.dataset.id, pubkey: item.dataset.pubkey, at: Number(item.dataset.at) });
const value = (event, name) => event.tags.find((tag) => tag[0] === name)?.[1];
const atEnd = () => innerHeight + scrollY >= document.documentElement.scrollHeight - 120;
const toEnd = () => scrollTo({ top: document.documentElement.scrollHeight });

// What is read stays where it is, whatever changes above it; whoever is at the end stays there.
function steady(change) {
  const follows = atEnd();
  const read = items().find((item) => item.getBoundingClientRect().bottom > 0);
  const at = read?.getBoundingClientRect().top;
  change();
  if (follows) toEnd();
  else if (read?.isConnected) scrollBy({ top: read.getBoundingClientRect().top - at, behavior: "instant" });
}

// Drawing

async function pieces(body) {
  const headers = { "content-type": "application/json", accept: "text/html" };
  const response = await fetch("/chat-pieces", { method: "POST", headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error("The relay cannot draw this just now.");
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

function remember(events) {
  for (const event of events) known.set(event.id, event);
  for (const id of known.keys()) {
    if (known.size <= 1000) break;
    known.delete(id);
  }
}

async function draw(events) {
  remember(events);
  const answered = [...new Set(events.map((event) => value(event, "q")).filter((id) => /^[0-9a-f]{64}$/.test(id ?? "")))];
  const missing = answered.filter((id) => !known.has(id));
  if (missing.length) remember(await source.get(missing.slice(0, 50)).catch(() => []));
  const edited = Object.fromEntries([...events.map((event) => event.id), ...answered].filter((id) => texts.has(id)).map((id) => [id, texts.get(id)]));
  const page = await pieces({ events, edited, above: answered.map((id) => known.get(id)).filter(Boolean) });
  return Array.from(page.querySelectorAll(".message"), (item) => document.adoptNode(item)).filter(({ dataset: { id, pubkey } }) => !gone.has(`${id} ${pubkey}`) && !gone.has(`${id} `));
}

// Draws messages again where they stand: they were edited.
async function renew(ids) {
  const missing = ids.filter((id) => !known.has(id));
  if (missing.length) remember(await source.get(missing));
  const drawn = await draw(ids.map((id) => known.get(id)).filter(Boolean));
  steady(() => {
    for (const item of drawn) rewrite(find(item.dataset.id), item);
    settle();
  });
}

const since = (item) => Number(item.dataset.edited ?? 0); // when it was edited
const isBehind = (item) => (texts.get(item.dataset.id)?.updated_at ?? 0) > since(item);

function rewrite(before, item) {
  if (!before || since(item) < since(before)) return;
  before.dataset.edited = item.dataset.edited ?? "";
  for (const name of [".meta", ".quote", ".prose"]) {
    const [part, other] = [before, item].map((each) => each.querySelector(name));
    if (part && other) holding(part, () => become(part, other));
  }
}

// In the order of time, equal ones by their ids as the relay lists them.
function place(item) {
  if (find(item.dataset.id)) return;
  const at = Number(item.dataset.at);
  let before = list.lastElementChild;
  while (before) {
    const other = before.classList.contains("message");
    if (other && (Number(before.dataset.at) - at || (before.dataset.id < item.dataset.id ? 1 : -1)) < 0) break;
    before = before.previousElementSibling;
  }
  list.insertBefore(item, before ? before.nextElementSibling : list.firstElementChild);
}

const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });

// Times of this browser's place, a line between days, and what the reader may do.
function settle() {
  for (const line of list.querySelectorAll(".day")) line.remove();
  let last = "";
  for (const item of items()) {
    const at = new Date(Number(item.dataset.at) * 1000);
    const day = DAY.format(at);
    if (day !== last) {
      const line = Object.assign(document.createElement("li"), { className: "day" });
      line.append(Object.assign(document.createElement("span"), { textContent: day }));
      const marker = item.previousElementSibling?.classList.contains("unread") ? item.previousElementSibling : item;
      list.insertBefore(line, marker);
      last = day;
    }
    const time = item.querySelector("time");
    const clock = CLOCK.format(at);
    if (time.textContent !== clock) time.textContent = clock; // it may be selected
    time.title = at.toLocaleString();
    const own = me.keys.has(item.dataset.pubkey) || (me.id && item.dataset.author === me.id);
    item.classList.toggle("own", Boolean(own));
    item.querySelector("[data-edit]").hidden = !own;
    item.querySelector("[data-delete]").hidden = !own && !moderates(roles);
  }
  list.classList.toggle("elsewhere", Boolean(home));
  empty.hidden = Boolean(list.querySelector(".message")) || !gate.hidden;
}

// `at`: when the tallies were asked for. What was asked for later of the same message stays.
function paint(tallies, at) {
  for (const [id, tally] of tallies ?? []) {
    if ((counted.get(id) ?? 0) > at) continue;
    const place = find(id)?.querySelector(".reactions");
    if (place) showReactions(place, tally, steady);
  }
}

async function count(ids) {
  const at = ++questions;
  for (const id of ids) counted.set(id, at);
  paint(await source.reactions(ids), at);
}

// Coming and going

function take(event) {
  if (event.kind === 9) {
    if (anew.has(`${event.pubkey} ${event.created_at}`)) edit(event.id, event.content, now());
    arriving.set(event.id, event);
  } else if (event.kind === 1010) changed(event);
  else if (event.kind === 7) stale.add(event.tags.findLast((tag) => tag[0] === "e")?.[1]);
  else if (event.kind === 5 || event.kind === 9005) steady(() => leave(event));
  else if (event.kind === 9008) return end();
  else if (event.kind === 9000 || event.kind === 9001) moved(event);
  if (!timer) timer = setTimeout(work, SPREAD);
}

function changed(event) {
  const id = value(event, "e");
  const author = find(id)?.dataset.pubkey ?? (arriving.get(id) ?? known.get(id))?.pubkey;
  if (author !== event.pubkey) return;
  edit(id, event.content, event.created_at);
  outdated.add(id);
}

function leave(event) {
  for (const id of event.tags.filter((tag) => tag[0] === "e").map((tag) => tag[1])) {
    const item = find(id);
    const reaction = said.get(id);
    arriving.delete(id);
    gone.add(`${id} ${event.kind === 9005 ? "" : event.pubkey}`);
    if (event.isUnsure) gone.add(`${id} ?`);
    for (const one of gone) if (gone.size > 2000) gone.delete(one);
    if (item && item.dataset.pubkey === event.pubkey) anew.add(`${event.pubkey} ${item.dataset.at}`);
    if (item && (event.kind === 9005 || item.dataset.pubkey === event.pubkey)) takeOut(item);
    else if (item && event.isUnsure) look(item);
    else if (reaction?.pubkey === event.pubkey) {
      stale.add(reaction.of);
      said.delete(id);
    } else if (!item && (event.isUnsure || value(event, "k") === "7")) for (const each of items().slice(-100)) stale.add(each.dataset.id);
  }
  settle();
}

// It goes if the relay has it no more.
async function look(item) {
  const found = await source.get([item.dataset.id]).catch(() => [null]);
  if (found.length) return;
  steady(() => {
    takeOut(item);
    settle();
  });
}

function moved(event) {
  if (event.tags.some((tag) => tag[0] === "p" && me.keys.has(tag[1]))) lookAgain();
  if (inside.open) showMembers();
}

async function work() {
  timer = 0;
  const events = [...arriving.values()];
  const ids = [...stale].filter((id) => id && find(id));
  const texts = [...outdated].filter((id) => find(id));
  for (const each of [arriving, stale, outdated]) each.clear();
  if (events.length) await arrive(events.slice(-100)).catch(() => null);
  if (texts.length) await renew(texts.slice(-100)).catch(() => null);
  if (ids.length) await count(ids).catch(() => null);
}

async function arrive(events, mine = false) {
  const follows = atEnd();
  const drawn = (await draw(events)).filter((item) => !find(item.dataset.id));
  steady(() => {
    for (const item of drawn) {
      item.classList.add("fresh");
      place(item);
    }
    settle();
  });
  if (!drawn.length) return;
  for (const item of drawn) if (gone.has(`${item.dataset.id} ?`)) look(item);
  const behind = drawn.filter(isBehind); // edited while they were drawn
  if (behind.length) renew(behind.map((item) => item.dataset.id)).catch(() => null);
  if (mine || follows) toEnd();
  else {
    unseen += drawn.length;
    fresh.textContent = `${unseen} new ${unseen === 1 ? "message" : "messages"} ↓`;
    fresh.hidden = false;
  }
  if (!mine) news.textContent = `${drawn.at(-1).querySelector(".author bdi").textContent}: ${drawn.at(-1).querySelector(".prose").textContent.slice(0, 200)}`;
  seen();
}

// After a break: the newest messages, read again as far as to what is here. Where BACK pages do not reach that, the list begins anew.
async function catchUp() {
  const present = items(); // what comes meanwhile stays
  const at = ++questions;
  let { events, more, tallies } = await source.page(null);
  const reaches = () => !items().length || events.some((event) => find(event.id));
  for (let pages = 1; pages < BACK && more && events.length && !reaches(); pages++) {
    const next = await source.page({ at: events.at(-1).created_at, id: events.at(-1).id });
    events = [...events, ...next.events];
    more = next.more;
    tallies &&= new Map([...tallies, ...next.tallies]);
  }
  if (!reaches()) {
    list.replaceChildren(...items().filter((item) => !present.includes(item)));
    older.hidden = !more;
  }
  const oldest = events.at(-1)?.created_at ?? 0;
  const ids = new Set(events.map((event) => event.id));
  steady(() => {
    for (const item of present) if (item.isConnected && Number(item.dataset.at) > oldest && !ids.has(item.dataset.id)) takeOut(item);
  });
  const missing = events.filter((event) => !find(event.id));
  for (let at = missing.length; at > 0; at -= 50) await arrive(missing.slice(Math.max(0, at - 50), at));
  if (!missing.length) settle();
  const old = items().filter((item) => ids.has(item.dataset.id) && isBehind(item));
  if (old.length) await renew(old.map((item) => item.dataset.id));
  if (tallies) paint(tallies, at);
  else await count(items().map((item) => item.dataset.id));
}

const STATES = { live: "live", lost: "reconnecting", refused: "not live" };
let lost = false;

// `gap`: something may have come that was not told.
function tell(state, gap = lost) {
  dot.dataset.state = state;
  dot.firstElementChild.textContent = STATES[state];
  if (state === "live" && gap) catchUp().catch(() => null);
  if (state === "refused" && !isOpen) close("This room is not open to you any more.");
  lost = state === "lost";
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

// Older ones

let loading = false;

async function loadOlder() {
  const first = list.querySelector(".message");
  if (loading || older.hidden || !first) return;
  loading = true;
  older.setAttribute("aria-busy", "true");
  const label = (older.dataset.label ??= older.textContent);
  try {
    const at = ++questions;
    const { events, more, tallies } = await source.page({ at: Number(first.dataset.at), id: first.dataset.id });
    const drawn = events.length ? await draw(events.reverse()) : [];
    if (!first.isConnected) return; // the list began anew, or another is the first by now
    steady(() => {
      for (const item of drawn) place(item);
      settle();
      older.hidden = !more;
      older.textContent = label;
    });
    if (tallies) paint(tallies, at);
    else if (drawn.length) await count(drawn.map((item) => item.dataset.id));
  } catch {
    older.textContent = "That did not work. Try again";
  } finally {
    loading = false;
    older.removeAttribute("aria-busy");
  }
}

older.addEventListener("click", (click) => {
  if (!source) return;
  click.preventDefault();
  loadOlder();
});
const watcher = new IntersectionObserver((entries) => {
  if (!entries.some((entry) => entry.isIntersecting)) return;
  watcher.unobserve(older);
  loadOlder().finally(() => watcher.observe(older));
}, { rootMargin: "300px" });

// What was read: kept in this browser

function stored() {
  try {
    return JSON.parse(localStorage.getItem(personal(READ)) ?? "{}");
  } catch {
    return {};
  }
}

function seen() {
  const newest = items().at(-1);
  if (!newest || document.visibilityState !== "visible" || !atEnd()) return;
  unseen = 0;
  fresh.hidden = true;
  const { [group]: before, ...others } = stored();
  const at = Math.max(before ?? 0, Number(newest.dataset.at));
  try {
    localStorage.setItem(personal(READ), JSON.stringify(Object.fromEntries([...Object.entries(others).slice(1 - ROOMS), [group, at]])));
  } catch {
    // storage is switched off: then nothing is remembered
  }
}

function showUnread() {
  list.querySelector(".unread")?.remove();
  const read = stored()[group];
  const first = read && items().find((item) => Number(item.dataset.at) > read && !item.classList.contains("own"));
  if (!first) return null;
  const line = Object.assign(document.createElement("li"), { className: "unread" });
  line.append(Object.assign(document.createElement("span"), { textContent: "New" }));
  list.insertBefore(line, first);
  return line;
}

addEventListener("scroll", seen, { passive: true });
let follows = true;
addEventListener("scroll", () => { follows = atEnd(); }, { passive: true });
addEventListener("resize", () => follows && toEnd());
document.addEventListener("visibilitychange", seen);
fresh.addEventListener("click", () => {
  toEnd();
  field.focus({ preventScroll: true });
});

// Who is in it

const showMembers = () => bring("./crowd.js").then(({ show }) => show(source, pieces)).catch(() => null);
inside.addEventListener("toggle", () => inside.open && source && showMembers());

// What the reader does

const sending = () => bring("./groups.js");

async function attempt(control, work) {
  const trouble = form.querySelector(".trouble");
  trouble.textContent = "";
  const message = control.closest(".message");
  const on = off(control, () => message?.querySelector("[data-react]")); // where a reaction was the last of its kind
  try {
    await work();
  } catch (error) {
    trouble.textContent = words(error);
  } finally {
    on();
  }
}

// Answers a message, or with null nothing; what stood in the field before an edit began stands there again.
function answer(item, focus = true) {
  if (changing) field.value = aside;
  changing = null;
  above = item && target(item);
  answering.hidden = !item;
  if (item) answering.firstElementChild.textContent = `Answering ${item.querySelector(".author bdi").textContent}`;
  if (focus) field.focus();
}

// What it says now comes into the form, to be changed there.
async function change(item) {
  const id = item.dataset.id;
  const mine = ++wished;
  if (!known.has(id)) remember(await source.get([id]));
  if (mine !== wished) return;
  const text = texts.get(id) ?? { content: known.get(id)?.content ?? "", updated_at: 0 };
  edits({ ...target(item), since: Math.max(text.updated_at, Number(item.dataset.at)) }, text.content);
}

function edits(message, content) {
  answer(null, false);
  aside = field.value;
  field.value = content;
  changing = message;
  answering.firstElementChild.textContent = "Editing your message";
  answering.hidden = false;
}

// What is typed while it is under way is the next message; what failed stands before that again.
async function send(content) {
  const [to, edited, since] = [above, changing, now()];
  let sent;
  if (!edited) field.value = "";
  answer(null, false);
  keepDraft();
  try {
    const { say, editMessage } = await sending();
    sent = await (edited ? editMessage(group, edited, content, edited.since) : say(group, content, to));
  } catch (error) {
    sent = edited || error.status ? null : await heard(content, since);
    if (sent) return arrive([sent], true);
    putBack(content, edited, to && find(to.id));
    keepDraft();
    throw error;
  }
  if (!edited) return arrive([sent], true);
  edit(edited.id, content, sent.message ? Math.floor(Date.parse(sent.message.updated_at) / 1000) : Math.max(now(), edited.since + 1));
  return renew([edited.id]);
}

// One's own message that is there, although no answer said so.
async function heard(content, since) {
  const { events } = await soon(source.page(null)).catch(() => ({ events: [] }));
  return events.find((event) => event.content === content && event.created_at >= since - 1 && me.keys.has(event.pubkey));
}

function putBack(content, edited, answered) {
  const before = (text) => [content, text].filter(Boolean).join("\n");
  if (changing) aside = before(aside);
  else if (edited) edits(edited, content);
  else {
    field.value = before(field.value);
    if (answered && !above) answer(answered);
  }
}

async function reacting(button, item, content, pressed) {
  const ofIt = target(item);
  const mine = [...said].filter(([, one]) => one.of === ofIt.id && me.keys.has(one.pubkey)).map(([id]) => id);
  await needWriter(() => attempt(button, async () => {
    const { react, unreact } = await sending();
    await (pressed ? unreact(group, ofIt, mine) : react(group, ofIt, content));
    await count([ofIt.id]);
  }));
}

const palette = (button, item) => bring("./palette.js").then(({ toggle }) => toggle(button, item)).catch((error) => toast(words(error)));

const ACTIONS = {
  reply: (_button, item) => needWriter(() => answer(item)),
  cancel: () => answer(null),
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
      await (await sending()).removeMessage(group, target(item));
      takeOut(item, holdsKeyboard(item));
      settle();
    });
  },
};

addEventListener("click", (event) => {
  const versions = isOpen ? null : event.target.closest?.("a.edited");
  if (versions && source) {
    event.preventDefault();
    bring("./versions.js").then(({ show }) => show(versions.closest(".message"), source, pieces)).catch((error) => toast(words(error)));
  }
  const button = event.target.closest?.("button");
  const action = button && source && Object.keys(ACTIONS).find((name) => name in button.dataset);
  if (action) ACTIONS[action](button, button.closest(".message"));
});
addEventListener("keydown", (key) => {
  const row = key.target.closest?.(".palette");
  if (composes(key)) return;
  if (key.key === "Escape" && row) {
    const opener = row.parentElement.querySelector("[data-react]");
    palette(opener, row.closest(".message"));
    opener.focus();
  } else if (key.key === "Escape" && (above || changing)) answer(null);
});

// Enter sends, Shift and Enter begin a line; on glass the button sends.
field.addEventListener("keydown", (key) => {
  if (key.key !== "Enter" || key.shiftKey || composes(key) || matchMedia("(pointer: coarse)").matches) return;
  key.preventDefault();
  form.requestSubmit();
});
form.addEventListener("submit", (submit) => {
  submit.preventDefault();
  field.focus();
  if (field.value.trim()) needWriter(() => attempt(form.querySelector("[type=submit]"), () => send(field.value)));
});

// Beginning

const drafts = bring("./drafts.js");
for (const script of [drafts, bring("./palette.js")]) script.catch(() => null);

function resume({ follow, joined, read }) {
  const draft = read(`chat:${group}`)?.content ?? "";
  if (changing) aside = joined(draft, aside);
  else field.value = joined(draft, field.value);
  keepDraft = follow(field, `chat:${group}`, () => (changing ? aside : field.value));
  if (field.value) keepDraft(); // typed before this script was there
}

const privately = () => bring("./private-room.js");

async function begin(from) {
  source = from;
  const since = isOpen ? Number(list.dataset.now) : now();
  if (!isOpen) {
    const at = ++questions;
    const { events, more, tallies } = await source.page(null);
    gate.hidden = true;
    if (events.length) for (const item of await draw(events.reverse())) place(item);
    older.hidden = !more;
    settle();
    if (tallies) paint(tallies, at);
    else await count(items().map((item) => item.dataset.id));
    home ||= await privately().then(({ introduce }) => introduce(source, group)).catch(() => "");
    await showMembers();
  } else if (me.keys.size) count(items().map((item) => item.dataset.id)).catch(() => null);
  form.hidden = Boolean(home);
  settle();
  const line = showUnread();
  if (line) line.scrollIntoView({ block: "center" });
  else if (!location.hash) toEnd();
  seen();
  watcher.observe(older);
  await drafts.then(resume).catch(() => null); // without it the room is as it was
  lost = Boolean(source.forgets); // what was said since the page was read, it does not tell
  source.live(since, { event: take, state: tell, elsewhere: mark });
}

const INVITED = "You are invited to this room, which its members alone read. Join, and you are one.";
const invited = () => !isOpen && new URLSearchParams(location.search).has("code");
let entering = null;

const enter = () => (entering ??= tryToEnter().finally(() => { entering = null; }));

async function tryToEnter() {
  if (source && (isOpen || gate.hidden)) return;
  if (isOpen) return begin(overSocket(group, false));
  try {
    if (!me.token && !me.own) return (await privately()).offerExtension(gate, enter);
    await begin(source ?? (me.token ? (await privately()).overApi(group) : overSocket(group, true)));
  } catch (error) {
    const strange = error.status === 403 || error.status === 404;
    const again = { type: "button", className: "plain-button", textContent: "Try again", onclick: enter };
    if (!strange) gate.replaceChildren(words(error), " ", Object.assign(document.createElement("button"), again));
    else gate.textContent = invited() ? INVITED : "This room is for its members, and you are none yet.";
    gate.hidden = false;
  }
}

onStanding((now) => {
  const left = roles !== null && now === null;
  const came = roles === null && now !== null;
  roles = now;
  if (left && !isOpen) close("This room is for its members.");
  else if (came && !isOpen) Promise.resolve(entering).then(enter); // who was not let in a moment ago
  settle();
});
if (invited()) gate.textContent = INVITED;
dispatchEvent(new Event("alive"));
await ready();
await enter();
