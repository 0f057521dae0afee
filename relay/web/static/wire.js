// The relay over its WebSocket (NIP-01): one connection that comes back by itself.
//
// `follow` tells of every event of the feed, or of other filters, and of the connection's state; `ask` reads stored events;
// `publish` sends one and answers with the relay's OK. What waits is bounded by what the page itself asks.

import { now } from "./clock.js";
import { signer } from "./me.js";

export { now };

export const FEED = [5, 7, 11, 62, 1010, 1111, 9005];

const LIVE = "live";
const OVERLAP = 120; // seconds: clocks differ
const BEHIND = 500; // events read on coming back
const PATIENCE = 15_000;

let socket;
let retries = 0;
let pause = 0; // the timer of the next try, while there is no connection
let number = 0;
let challenge = "";
let heard = 0; // when the connection was last known to be good, unix seconds
let caughtUp = false;
let following = null; // {event, state, filters, knows}
let proving = null; // that the extension's key is this connection's (NIP-42): a promise, once it was asked for
const questions = new Map(); // subscription id -> {filters, found, resolve, reject}
const publishing = new Map(); // event id -> {event, resolve, reject}
const waiting = []; // messages for when the connection is open

const open = () => socket?.readyState === WebSocket.OPEN;

function send(...message) {
  begin(); // not every page listens
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

// As long as somebody waits for it who has waited already.
export const soon = (answer) => Promise.race([answer, new Promise((_, reject) => setTimeout(reject, 2000, new Error("The relay does not answer.")))]);

// NIP-42, where the relay wants to know who publishes, or who reads.
function prove() {
  proving ??= (async () => {
    if (!signer() || !challenge) throw new Error("The relay wants to know who asks.");
    const proof = await signer().signEvent({
      kind: 22242,
      created_at: now(),
      tags: [["relay", location.origin.replace("http", "ws")], ["challenge", challenge]],
      content: "",
    });
    const answer = promised(publishing, proof.id, { event: proof, tried: true });
    send("AUTH", proof);
    return answer;
  })();
  return proving;
}

const plain = (message) => new Error(message.replace(/^[a-z-]+: /, ""));

// What was refused for want of a proof is tried once more with one.
async function again(entry, message, resend, fail) {
  try {
    if (entry.tried) throw plain(message);
    entry.tried = true;
    await prove();
    resend();
  } catch (error) {
    fail(error);
  }
}

const isOwed = (message) => message.startsWith("auth-required:");

function told(id, accepted, message) {
  const entry = publishing.get(id);
  const fail = (error) => settle(publishing, id, "reject", error);
  if (accepted) settle(publishing, id, "resolve", message);
  else if (entry && isOwed(message)) again(entry, message, () => send("EVENT", entry.event), fail);
  else fail(plain(message));
}

function closed(name, message) {
  const question = questions.get(name);
  const fail = (error) => settle(questions, name, "reject", error);
  if (name === LIVE && isOwed(message) && following?.knows) {
    again(following, message, listen, () => following.state("refused"));
  } else if (name === LIVE) following?.state("refused");
  else if (question && isOwed(message)) again(question, message, () => send("REQ", name, ...question.filters), fail);
  else fail(plain(message));
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
  } else if (verb === "CLOSED") closed(name, payload);
}

// What came while nobody listened, and from now on whatever its author's clock says.
function listen() {
  send("REQ", LIVE, ...following.filters.flatMap((filter) => [{ ...filter, since: heard - OVERLAP, limit: BEHIND }, { ...filter, limit: 0 }]));
}

function connect() {
  clearTimeout(pause);
  pause = 0;
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/`);
  socket.onopen = () => {
    if (following) listen();
    for (const message of waiting.splice(0)) send(...message);
  };
  socket.onmessage = ({ data }) => hear(JSON.parse(data));
  socket.onclose = () => {
    if (caughtUp) retries = 0;
    caughtUp = false;
    challenge = "";
    proving = null;
    if (following) following.tried = false;
    for (const table of [publishing, questions]) for (const key of [...table.keys()]) settle(table, key, "reject", new Error("The connection was lost."));
    waiting.length = 0;
    following?.state("lost");
    pause = setTimeout(connect, Math.min(30_000, 500 * 2 ** retries++) * (0.5 + Math.random() / 2));
  };
}

// `since`: when what the page shows was read. `told`: {event(event), state("live" | "lost" | "refused")}. With `knows` the
// relay may ask who listens.
export function follow(since, told, filters = [{ kinds: FEED }], knows = false) {
  heard = since;
  following = { ...told, filters, knows };
  if (!socket) connect();
  else if (open()) listen();
}

export function begin() {
  if (!socket) connect();
}

// After a sleep or a change of networks a connection may be dead without knowing: a question that nobody answers tells. Where it
// is known to be lost, the next try is now.
function probe() {
  if (document.visibilityState !== "visible") return;
  if (open()) ask({ kinds: [11], limit: 1 }).catch(() => socket.close());
  else if (pause) connect();
}
addEventListener("online", probe);
document.addEventListener("visibilitychange", probe);
