// The relay over its WebSocket (NIP-01): one connection that comes back by itself.
//
// `listen` takes what is told of every event of the feed and of the connection's state; `ask` reads stored events; `publish`
// sends one and answers with the relay's OK. What waits is bounded by what the page itself asks.

export const FEED = [5, 7, 11, 62, 1010, 1111];

const LIVE = "live";
const OVERLAP = 120; // seconds: clocks differ
const BEHIND = 500; // events read on coming back
const PATIENCE = 15_000;

let socket;
let retries = 0;
let number = 0;
let challenge = "";
let heard = 0; // when the connection was last known to be good, unix seconds
let caughtUp = false;
let following = null;
const questions = new Map(); // subscription id -> {filters, found, resolve, reject}
const publishing = new Map(); // event id -> {event, resolve, reject}
const waiting = []; // messages for when the connection is open

export const now = () => Math.floor(Date.now() / 1000);
const open = () => socket?.readyState === WebSocket.OPEN;

function send(...message) {
  if (open()) socket.send(JSON.stringify(message));
  else waiting.push(message);
}

function promised(table, key, entry) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => settle(table, key, "reject", new Error("The relay does not answer.")), PATIENCE);
    table.set(key, { ...entry, resolve, reject, timer });
  });
}

function settle(table, key, how, value) {
  const entry = table.get(key);
  if (!entry) return;
  clearTimeout(entry.timer);
  table.delete(key);
  entry[how](value);
}

export function ask(...filters) {
  const name = `q${number++}`;
  const answer = promised(questions, name, { filters, found: [] });
  send("REQ", name, ...filters);
  return answer;
}

export function publish(event) {
  const answer = promised(publishing, event.id, { event });
  send("EVENT", event);
  return answer;
}

// NIP-42, where the relay wants to know who publishes before it takes an event.
async function authenticate(id, message) {
  try {
    const entry = publishing.get(id);
    if (!window.nostr || !challenge || entry.tried) throw new Error(message);
    entry.tried = true;
    const proof = await window.nostr.signEvent({
      kind: 22242,
      created_at: now(),
      tags: [["relay", location.origin.replace("http", "ws")], ["challenge", challenge]],
      content: "",
    });
    send("AUTH", proof);
    send("EVENT", entry.event);
  } catch (error) {
    settle(publishing, id, "reject", error);
  }
}

function told(id, accepted, message) {
  if (accepted) settle(publishing, id, "resolve", message);
  else if (message.startsWith("auth-required:")) authenticate(id, message);
  else settle(publishing, id, "reject", new Error(message.replace(/^[a-z-]+: /, "")));
}

function hear([verb, name, payload, message]) {
  heard = now();
  const question = questions.get(name);
  if (verb === "EVENT" && name === LIVE) following?.event(payload);
  else if (verb === "EVENT") question?.found.push(payload);
  else if (verb === "OK") told(name, payload, message);
  else if (verb === "AUTH") challenge = name;
  else if (verb === "EOSE" && name === LIVE) {
    caughtUp = true;
    following?.state("live");
  } else if (verb === "EOSE" && question) {
    send("CLOSE", name);
    settle(questions, name, "resolve", question.found);
  } else if (verb === "CLOSED" && name === LIVE) following?.state("refused");
  else if (verb === "CLOSED") settle(questions, name, "reject", new Error(payload));
}

function connect() {
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/`);
  socket.onopen = () => {
    // What came while nobody listened, and from now on whatever its author's clock says.
    if (following) send("REQ", LIVE, { kinds: FEED, since: heard - OVERLAP, limit: BEHIND }, { kinds: FEED, limit: 0 });
    for (const message of waiting.splice(0)) send(...message);
  };
  socket.onmessage = ({ data }) => hear(JSON.parse(data));
  socket.onclose = () => {
    if (caughtUp) retries = 0;
    caughtUp = false;
    for (const id of [...publishing.keys()]) settle(publishing, id, "reject", new Error("The connection was lost."));
    for (const name of [...questions.keys()]) settle(questions, name, "reject", new Error("The connection was lost."));
    waiting.length = 0;
    following?.state("lost");
    setTimeout(connect, Math.min(30_000, 500 * 2 ** retries++) * (0.5 + Math.random() / 2));
  };
}

// `since`: when what the page shows was read. `told`: {event(event), state("live" | "lost" | "refused")}.
export function follow(since, told) {
  heard = since;
  following = told;
  connect();
}

export function begin() {
  connect();
}

// After a sleep or a change of networks a connection may be dead without knowing: a question that nobody answers tells.
function probe() {
  if (document.visibilityState === "visible" && open()) ask({ kinds: [11], limit: 1 }).catch(() => socket.close());
}
addEventListener("online", probe);
document.addEventListener("visibilitychange", probe);
