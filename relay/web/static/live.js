// Keeps the list of newest notes fresh over the relay's own WebSocket (NIP-01).
// Strangers' text only ever becomes textContent; what is kept is bounded.

const list = document.getElementById("notes");
const status = document.getElementById("live");
const empty = document.getElementById("empty");
const blank = document.getElementById("entry").content.firstElementChild;
const kinds = JSON.parse(list.dataset.kinds);
const hues = Number(list.dataset.hues);

const KEEP = 50;
const AHEAD = 900;
const OVERLAP = 300;
const LONGEST = { text: 600, title: 140, name: 40 };
const NOTES = "notes";
const NAMES = "names";

const names = new Map();
const asked = new Set();
const wanted = new Set();
const waiting = new Map();
let socket;
let retries = 0;
let naming = false;
let caughtUp = false;

const clip = (text, longest) => {
  const characters = Array.from(text.slice(0, 2 * longest + 2));
  return characters.length <= longest ? text : characters.slice(0, longest - 1).join("").trimEnd() + "…";
};
const tag = (event, name) => {
  const found = event.tags.find((each) => each[0] === name);
  return found && (found[1] ?? "");
};
const say = (text, state) => {
  status.textContent = text;
  status.dataset.state = state;
};
const send = (...message) => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify(message));

function ago(seconds) {
  const past = Math.max(0, Math.floor(Date.now() / 1000) - seconds);
  if (past < 60) return "now";
  if (past < 3600) return `${Math.floor(past / 60)} min`;
  if (past < 86400) return `${Math.floor(past / 3600)} h`;
  if (past < 30 * 86400) return `${Math.floor(past / 86400)} d`;
  return new Date(seconds * 1000).toLocaleDateString();
}

function tellTimes() {
  for (const note of list.children) note.querySelector("time").textContent = ago(Number(note.dataset.at));
}

function nameOf(profile) {
  try {
    const { display_name, name } = JSON.parse(profile);
    const chosen = [display_name, name].find((each) => typeof each === "string" && each.trim());
    return chosen ? clip(chosen.trim().replace(/\s+/g, " "), LONGEST.name) : "";
  } catch {
    return "";
  }
}

function sign(note, pubkey) {
  const author = names.get(pubkey) || pubkey.slice(0, 8);
  note.querySelector(".name").textContent = author;
  note.querySelector(".key").hidden = !names.get(pubkey);
  note.querySelector(".mark").textContent = Array.from(author)[0].toUpperCase();
}

function render(event) {
  const note = blank.cloneNode(true);
  const warning = tag(event, "content-warning");
  const title = warning === undefined ? tag(event, "title") ?? "" : "";
  const text = warning === undefined ? event.content : `Content warning: ${warning || "sensitive"}`;
  Object.assign(note.dataset, { id: event.id, pubkey: event.pubkey, at: event.created_at });
  note.classList.add("fresh");
  note.querySelector(".mark").className = `mark hue-${parseInt(event.pubkey.slice(0, 2), 16) % hues}`;
  note.querySelector(".key").textContent = event.pubkey.slice(0, 8);
  note.querySelector(".key").title = event.pubkey;
  note.querySelector(".kind").textContent = kinds[event.kind];
  note.querySelector("time").textContent = ago(event.created_at);
  note.querySelector(".title").textContent = clip(title.trim(), LONGEST.title);
  note.querySelector(".title").hidden = !title;
  note.querySelector(".text").textContent = clip(text.trim(), LONGEST.text);
  sign(note, event.pubkey);
  return note;
}

// Notes wait for the next frame, so that a flood costs one redraw, and a hidden tab nothing.
function receive(event) {
  if (!(event.kind in kinds) || event.created_at > Date.now() / 1000 + AHEAD) return;
  if (waiting.size === 0) requestAnimationFrame(show);
  waiting.set(event.id, event);
  if (waiting.size > KEEP) waiting.delete(waiting.keys().next().value);
}

function show() {
  const here = new Set(Array.from(list.children, (note) => note.dataset.id));
  for (const event of waiting.values()) {
    if (here.has(event.id)) continue;
    const after = Array.from(list.children).find((note) => Number(note.dataset.at) <= event.created_at);
    list.insertBefore(render(event), after ?? null);
    if (!names.has(event.pubkey) && !asked.has(event.pubkey)) wanted.add(event.pubkey);
  }
  waiting.clear();
  while (list.children.length > KEEP) list.lastElementChild.remove();
  empty.hidden = list.children.length > 0;
  askNames();
}

function askNames() {
  if (naming || wanted.size === 0) return;
  if (asked.size > 10 * KEEP) {
    asked.clear();
    names.clear();
  }
  naming = true;
  for (const pubkey of wanted) asked.add(pubkey);
  send("REQ", NAMES, { kinds: [0], authors: [...wanted], limit: wanted.size });
  wanted.clear();
}

function learn(event) {
  names.set(event.pubkey, nameOf(event.content));
  for (const note of list.children) if (note.dataset.pubkey === event.pubkey) sign(note, event.pubkey);
}

function hear([verb, subscription, payload]) {
  if (verb === "EVENT" && subscription === NOTES) receive(payload);
  else if (verb === "EVENT" && subscription === NAMES) learn(payload);
  else if (verb === "EOSE" && subscription === NOTES) {
    caughtUp = true;
    say("live", "live");
  } else if (subscription === NAMES && (verb === "EOSE" || verb === "CLOSED")) {
    if (verb === "EOSE") send("CLOSE", NAMES);
    naming = false;
    askNames();
  } else if (verb === "CLOSED") say("not live", "lost");
}

function connect() {
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/`);
  socket.onopen = () => {
    // From a little before the newest: clocks differ, and what is here already is passed over.
    const newest = Math.max(0, ...Array.from(list.children, (note) => Number(note.dataset.at)));
    const since = Math.max(0, Math.min(newest, Math.floor(Date.now() / 1000)) - OVERLAP);
    send("REQ", NOTES, { kinds: Object.keys(kinds).map(Number), since, limit: KEEP });
    naming = false;
    for (const { dataset } of list.children) if (!names.has(dataset.pubkey)) wanted.add(dataset.pubkey);
    askNames();
  };
  socket.onmessage = ({ data }) => hear(JSON.parse(data));
  socket.onclose = () => {
    if (caughtUp) retries = 0;
    caughtUp = false;
    say("reconnecting", "lost");
    setTimeout(connect, Math.min(30_000, 1000 * 2 ** retries++) * (0.5 + Math.random() / 2));
  };
}

for (const note of list.children) {
  if (!note.querySelector(".key").hidden) names.set(note.dataset.pubkey, note.querySelector(".name").textContent);
}
tellTimes();
setInterval(tellTimes, 30_000);
connect();
