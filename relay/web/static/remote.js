// A remote signer (NIP-46): an app elsewhere that holds the reader's key and signs what this page sends it.
//
// Both talk over this relay and no other: the page connects to nowhere else (its content security policy), so a `bunker://`
// link must name this relay, and the `nostrconnect://` link made here does. A remote signer is {signer, secret, user}: its
// public key, the secret of this page's end of the channel, and the public key of who it signs for.

import { conversation, decrypt, encrypt, finish, newKey, publicKey } from "./channel.js";
import { now } from "./clock.js";
import { make, open } from "./dialog.js";
import { check } from "./verify.js";

const KIND = 24133;
const PATIENCE = 90_000; // milliseconds: somebody may have to confirm on another device
const PERMISSIONS = "sign_event";

export const here = () => location.origin.replace("http", "ws");
const random = () => newKey().slice(0, 32);
const about = () => ({ name: document.querySelector(".brand bdi").textContent, url: location.origin });

const lines = new Map(); // secret -> the open channel of that key

// The channel of a key on this relay. `ask(signer, method, params)` gives the signer's result; `unasked(author, message)` is told
// of messages that nobody waits for.
function line(secret, unasked = () => {}) {
  const present = lines.get(secret);
  if (present) return present;
  const waiting = new Map(); // what is awaited by its id: of a request its answer, of an event the relay's OK
  const socket = new WebSocket(here());
  const state = { challenge: "", proven: null, settled: () => {} };
  const ready = new Promise((resolve, reject) => { state.settled = (error) => (error ? reject(error) : resolve()); });
  ready.catch(() => {});
  const say = (...message) => socket.send(JSON.stringify(message));
  const listen = () => say("REQ", "signer", { kinds: [KIND], "#p": [publicKey(secret)], since: now() - 10 });

  function expect(id, words) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => { waiting.delete(id); reject(new Error(words)); }, PATIENCE);
      const end = (settle) => (value) => { clearTimeout(timer); waiting.delete(id); settle(value); };
      waiting.set(id, { resolve: end(resolve), reject: end(reject) });
    });
  }

  // The relay may want to know who listens or sends (NIP-42): this page's end of the channel.
  function prove() {
    state.proven ??= (async () => {
      const proof = await finish(secret, { kind: 22242, created_at: now(), tags: [["relay", here()], ["challenge", state.challenge]], content: "" });
      const done = expect(proof.id, "The relay does not answer.");
      say("AUTH", proof);
      return done;
    })();
    return state.proven;
  }

  async function send(event) {
    const done = expect(event.id, "The relay does not answer.");
    say("EVENT", event);
    return done.catch(async (error) => {
      if (!error.message.startsWith("auth-required:")) throw error;
      await prove();
      const again = expect(event.id, "The relay does not answer.");
      say("EVENT", event);
      return again;
    });
  }

  async function take(event) {
    if (event.kind !== KIND || !(await check(event)).signature) return;
    const message = JSON.parse(await decrypt(await conversation(secret, event.pubkey), event.content));
    const asked = waiting.get(message.id);
    if (!asked) unasked(event.pubkey, message);
    else if (asked.signer !== event.pubkey) return;
    else if (message.result === "auth_url") confirmAt(message.error);
    else if (message.error) asked.reject(new Error(`Your signer says: ${message.error}`));
    else asked.resolve(message.result);
  }

  socket.onopen = listen;
  socket.onmessage = ({ data }) => {
    const [verb, name, value, words] = JSON.parse(data);
    if (verb === "AUTH") state.challenge = name;
    else if (verb === "EVENT") take(value).catch(() => {}); // what cannot be read is not from the signer
    else if (verb === "EOSE") state.settled();
    else if (verb === "OK" && value) waiting.get(name)?.resolve();
    else if (verb === "OK") waiting.get(name)?.reject(new Error(words));
    else if (verb === "CLOSED" && value.startsWith("auth-required:") && !state.proven) prove().then(listen, state.settled);
    else if (verb === "CLOSED") state.settled(new Error(value));
  };
  socket.onclose = () => {
    lines.delete(secret);
    state.settled(new Error("The connection was lost."));
    for (const { reject } of [...waiting.values()]) reject(new Error("The connection was lost."));
  };

  const made = {
    ready,
    close: () => socket.close(),
    async ask(signer, method, params) {
      await ready;
      const id = random();
      const content = await encrypt(await conversation(secret, signer), JSON.stringify({ id, method, params }));
      const answer = expect(id, "Your signer does not answer. Is it running, and does it ask you for something?");
      waiting.get(id).signer = signer;
      answer.catch(() => {});
      await send(await finish(secret, { kind: KIND, created_at: now(), tags: [["p", signer]], content }));
      return answer;
    },
  };
  lines.set(secret, made);
  return made;
}

// The signer wants its owner to confirm on a page of its own.
function confirmAt(url) {
  if (!/^https:\/\//.test(url)) return;
  const { dialog, body } = make("confirm-signer", "Your signer asks you to confirm");
  const link = Object.assign(document.createElement("a"), { href: url, target: "_blank", rel: "noopener noreferrer", className: "button", textContent: `Open ${new URL(url).host}` });
  link.addEventListener("click", () => dialog.close());
  body.replaceChildren(link);
  if (!dialog.open) open(dialog);
}

async function paired(channel, signer, secret) {
  const user = await channel.ask(signer, "get_public_key", []);
  if (!/^[0-9a-f]{64}$/.test(user)) throw new Error("Your signer does not tell whose key it holds.");
  return { signer, secret, user };
}

// Makes a link for the signer: {secret, link, done, cancel}. `link` is promised for when this page listens: what a signer says
// before that would reach nobody, as the relay keeps none of it. `done` is the remote signer, once it came.
export function invite() {
  const secret = newKey();
  const word = random();
  let came;
  const first = new Promise((resolve) => { came = resolve; });
  const channel = line(secret, (author, message) => message.result === word && came(author));
  const query = new URLSearchParams({ relay: here(), secret: word, perms: PERMISSIONS, ...about() });
  const link = channel.ready.then(() => `nostrconnect://${publicKey(secret)}?${query.toString().replaceAll("+", "%20")}`);
  const done = link.then(() => first).then((signer) => paired(channel, signer, secret));
  done.catch(() => {}); // told by whoever waits for it
  return { secret, link, done, cancel: () => channel.close() };
}

// By a link that the signer made, `bunker://…`.
export async function pair(link) {
  const [, signer, query] = /^bunker:\/\/([0-9a-f]{64})\/?(?:\?(.*))?$/.exec(link.trim()) ?? [];
  if (!signer) throw new Error("That is no link of a remote signer. It begins with bunker:// and is made by the signer.");
  const given = new URLSearchParams(query);
  const relays = given.getAll("relay");
  const isHere = (url) => URL.canParse(url) && new URL(url).host === location.host;
  if (relays.length && !relays.some(isHere)) {
    throw new Error(`Your signer listens elsewhere (${relays[0]}), and this page connects to no place but this one. Add ${here()} to its relays and make a new link, or give it the link above.`);
  }
  const secret = newKey();
  const channel = line(secret);
  try {
    await channel.ask(signer, "connect", [signer, given.get("secret") ?? "", PERMISSIONS, JSON.stringify(about())]);
    return await paired(channel, signer, secret);
  } catch (error) {
    channel.close();
    throw error;
  }
}

// The draft {kind, created_at, tags, content}, signed. Raises an Error where the signer signed something else.
export async function sign({ signer, secret, user }, draft) {
  const { kind, created_at, tags, content } = draft;
  const event = JSON.parse(await line(secret).ask(signer, "sign_event", [JSON.stringify({ kind, created_at, tags, content })]));
  const { hash, signature } = await check(event);
  const same = event.pubkey === user && event.kind === kind && event.content === content && JSON.stringify(event.tags) === JSON.stringify(tags);
  if (!hash || !signature || !same) throw new Error("Your signer signed something else than it was asked to.");
  return event;
}
