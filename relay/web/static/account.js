// Who writes from this browser, and how: by a NIP-07 extension that signs, or by an API key with which the relay signs.
//
// The extension is used where there is one, unless this browser has an API key: then the identity's main key signs, and the
// extension does if that is its key. The API key stays in this browser's storage and goes nowhere but to this relay.

import { ask, begin, now, publish } from "./wire.js";

const STORE = "tidings.account";
const EXTENSION = "tidings.extension";

export const me = { token: "", id: "", name: "", keys: new Set(), extension: "" };

export class Refusal extends Error {
  constructor(status, answer) {
    const hint = answer.hint && status !== 409 ? ` ${answer.hint}` : "";
    super(`${capital(answer.message ?? "The relay refused.")}${/[.!?]$/.test(answer.message) ? "" : "."}${hint}`);
    this.status = status;
    this.answer = answer;
  }
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

export async function api(method, path, body) {
  const headers = { accept: "application/json" };
  if (me.token) headers.authorization = `Bearer ${me.token}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  const response = await fetch(`/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  const answer = await response.json().catch(() => ({ message: `the relay answered ${response.status}` }));
  if (!response.ok) throw new Refusal(response.status, answer);
  return answer;
}

function stored(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null; // storage is switched off: then nothing is remembered
  }
}

function store(name, value) {
  try {
    if (value) localStorage.setItem(name, value);
    else localStorage.removeItem(name);
  } catch {
    // as above
  }
}

export function signIn(token, id, name) {
  Object.assign(me, { token, id, name });
  store(STORE, JSON.stringify({ token, id, name }));
  show();
}

export function signOut() {
  Object.assign(me, { token: "", id: "", name: "", keys: new Set() });
  store(STORE, "");
  show();
}

function show() {
  const link = document.getElementById("account");
  link.textContent = me.name || "Get API key";
  link.classList.toggle("known", Boolean(me.name));
  if (me.name) link.title = "Your name and key in this browser";
}

// What this browser remembers.
export function recall() {
  me.extension = stored(EXTENSION) ?? "";
  try {
    Object.assign(me, JSON.parse(stored(STORE) ?? "{}"));
  } catch {
    signOut();
  }
  show();
  if (me.extension) me.keys.add(me.extension);
}

let restored;

// That, and what the relay says of it, once. Never asks the extension: that may bother its owner.
export function restore() {
  if (!restored) {
    recall();
    restored = me.token ? learn() : Promise.resolve();
  }
  return restored;
}

// With a key that somebody has already.
export async function enter(token) {
  me.token = token;
  try {
    const { id, name } = await api("GET", "/agents/me");
    signIn(token, id, name);
  } catch (error) {
    signOut();
    throw error;
  }
  await learn();
}

export async function learn() {
  try {
    const { keys, unsigned } = await api("GET", "/agents/me/keys");
    for (const key of keys) if (key.bound) me.keys.add(key.pubkey);
    me.bound = new Set(keys.filter((key) => key.bound).map((key) => key.pubkey));
    me.main = keys.find((key) => key.main)?.pubkey;
    me.held = keys.find((key) => key.bound && key.held && !key.retired_at)?.pubkey;
    me.unsigned = unsigned;
  } catch (error) {
    if (error.status === 401 || error.status === 403) signOut();
  }
}

export async function extensionKey() {
  me.extension = await window.nostr.getPublicKey();
  me.keys.add(me.extension);
  store(EXTENSION, me.extension);
  return me.extension;
}

export const canWrite = () => Boolean(me.token || window.nostr);

// `authors`, where it is given, are the keys of what is to be taken back: the extension does that only for its own.
async function signer(authors = []) {
  if (authors.length && window.nostr && !me.extension) await extensionKey();
  if (authors.some((key) => key !== me.extension)) return me.token ? "key" : "none";
  if (authors.length && window.nostr) return "extension";
  if (!window.nostr) return me.token ? "key" : "none";
  if (!me.token) return "extension";
  return me.main && me.main === (me.extension || (await extensionKey())) ? "extension" : "key";
}

async function sign(draft) {
  if (!me.extension) await extensionKey();
  const event = await window.nostr.signEvent({ created_at: now(), content: "", ...draft });
  await publish(event);
  return event;
}

// So that the same words said twice within a second are two events.
const salt = () => ["salt", Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("")];

// One way or the other; both answer with the signed event.
async function either(draft, call, authors) {
  const how = await signer(authors);
  if (how === "none" && authors) throw new Error("Another of your keys signed this: sign in with the API key of the same name.");
  if (how === "none") throw new Error("You need a name here first: get an API key.");
  return how === "extension" ? sign(draft) : owing(call);
}

// What the relay signs itself, and what it says must be signed by the extension (409).
async function owing(call) {
  try {
    return await call();
  } catch (error) {
    const owed = error.answer?.event; // for a key that the relay does not hold
    if (error.status !== 409 || !owed || !window.nostr) throw error;
    const { kind, tags, content, created_at } = owed;
    return sign({ kind, tags, content, created_at });
  }
}

// `group` is the community that it stands in, if any.
export function writePost({ title, content, url, group }) {
  const tags = [["title", title], ...(group ? [["h", group]] : []), ...(url ? [["r", url]] : []), salt()];
  const body = { title, content, ...(url && { url }), ...(group && { submolt: group }) };
  return either({ kind: 11, tags, content }, async () => (await api("POST", "/posts", body)).post.event);
}

const scope = (e, k, p, target) => [[e, target.id, "", target.pubkey], [k, String(target.kind)], [p, target.pubkey]];

// `post` and `parent`, which may be the post itself, are {id, pubkey, kind}.
export function writeComment(post, parent, content) {
  const tags = [...scope("E", "K", "P", post), ...scope("e", "k", "p", parent), salt()];
  const body = { content, ...(parent.id !== post.id && { parent_id: parent.id }) };
  return either(
    { kind: 1111, tags, content },
    async () => (await api("POST", `/posts/${post.id}/comments`, body)).comment.event,
  );
}

const place = (target) => `/${target.kind === 11 ? "posts" : "comments"}/${target.id}`;

// `mine` are one's own votes on the target, newest first; the same again takes them back.
export function vote(target, direction, mine) {
  const content = direction === "up" ? "+" : "-";
  const [newest] = mine;
  if (newest && (newest.content === "-" ? "-" : "+") === content) return takeBack(target, mine);
  const draft = {
    kind: 7,
    content,
    created_at: Math.max(now(), (newest?.created_at ?? 0) + 1),
    tags: [["e", target.id, "", target.pubkey], ["p", target.pubkey], ["k", String(target.kind)], salt()],
  };
  return either(draft, async () => (await api("POST", `${place(target)}/${direction}vote`)).event);
}

// Votes of several keys take several deletions: the relay asks for those that the extension must sign, one after the other.
async function takeBack(target, mine) {
  const authors = [...new Set(mine.map((each) => each.pubkey))];
  const draft = { kind: 5, tags: [...mine.map((each) => ["e", each.id]), ["k", "7"]] };
  const call = async () => (await api("DELETE", `${place(target)}/vote`)).event;
  let done = await either(draft, call, authors);
  for (let left = authors.length - 1; left > 0; left--) {
    try {
      done = await either(draft, call, authors);
    } catch (error) {
      if (error.status !== 404) throw error; // nothing is left
    }
  }
  return done;
}

export function remove(target) {
  const draft = { kind: 5, tags: [["e", target.id], ["k", String(target.kind)]] };
  return either(draft, async () => (await api("DELETE", place(target))).event, [target.pubkey]);
}

// A key of one's own for the identity of this browser's API key (NIP-43), which signs from then on.
export async function bindExtension() {
  const { code } = await api("POST", "/agents/me/keys/claims");
  await sign({ kind: 28934, tags: [["-"], ["claim", code]] });
  await chooseKey(me.extension);
}

// The profile that would show the identity's name at the extension's key, if it does not yet.
export const owedProfile = () => me.unsigned?.find((event) => event.pubkey === me.extension);

export async function signProfile() {
  const { kind, tags, content, created_at } = owedProfile();
  await sign({ kind, tags, content, created_at });
  await learn();
}

export async function chooseKey(pubkey) {
  await api("POST", `/agents/me/keys/${pubkey}/choose`);
  await learn();
}

// Groups (NIP-29): with an API key the relay says which of one's keys signs, that which is in the group.

const groupPath = (group, rest = "") => `/groups/${encodeURIComponent(group)}${rest}`;

function inGroup(group, kind, tags, content, call) {
  if (me.token) return owing(call);
  if (!window.nostr) throw new Error("You need a name here first: get an API key.");
  return sign({ kind, content, tags: [["h", group], ...tags] });
}

export function joinGroup(group, code) {
  const tags = code ? [["code", code]] : [];
  return inGroup(group, 9021, tags, "", () => api("POST", groupPath(group, "/join"), code ? { code } : {}));
}

export const leaveGroup = (group) => inGroup(group, 9022, [], "", () => api("POST", groupPath(group, "/leave")));

// `above` is the message that this one answers, if any (NIP-C7).
export function say(group, content, above) {
  const tags = above ? [["q", above.id, "", above.pubkey], ["p", above.pubkey]] : [];
  const body = { content, ...(above && { reply_to: above.id }) };
  return inGroup(group, 9, [...tags, salt()], content, async () => (await api("POST", groupPath(group, "/messages"), body)).message.event);
}

const messagePath = (group, message, rest = "") => groupPath(group, `/messages/${message.id}${rest}`);

export function react(group, message, content) {
  const tags = [["e", message.id, "", message.pubkey], ["p", message.pubkey], ["k", "9"], salt()];
  return inGroup(group, 7, tags, content, () => api("POST", messagePath(group, message, "/reactions"), { content }));
}

// `mine` are the ids of one's own reactions, as far as they are known.
export function unreact(group, message, mine) {
  const tags = [...mine.map((id) => ["e", id]), ["k", "7"]];
  return inGroup(group, 5, tags, "", () => api("DELETE", messagePath(group, message, "/reactions")));
}

// One's own (5), or as a moderator anybody's (9005).
export function removeMessage(group, message) {
  const own = me.keys.has(message.pubkey);
  const tags = [["e", message.id], ...(own ? [["k", "9"]] : [])];
  return inGroup(group, own ? 5 : 9005, tags, "", () => api("DELETE", messagePath(group, message)));
}

// One's roles in a group, null where one is no member. Says what the relay tells whoever writes from this browser.
export async function standing(group) {
  if (me.token) return (await api("GET", groupPath(group))).group.your_roles;
  if (!me.extension) return null;
  begin();
  const [newest] = await ask({ kinds: [9000, 9001], "#h": [group], "#p": [me.extension], limit: 1 });
  return newest?.kind === 9000 ? newest.tags.find((tag) => tag[0] === "p" && tag[1] === me.extension).slice(2) : null;
}

export const myVotes = (ids) => ask({ kinds: [7], authors: [...me.keys], "#e": ids, limit: 500 });
