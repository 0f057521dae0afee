// One's own lists (whom one follows, what one saved, whom one muted): changed by the relay for who has an API key, else by a
// signer of one's own, which signs the newest list with the change, so that nothing in it is lost.

import { bring } from "./act.js";
import { api } from "./api.js";
import { me, ownKey, signer } from "./me.js";
import { sign } from "./signing.js";
import { ask, begin, now } from "./wire.js";

const CONTACTS = 3;
const MUTES = 10000;
const BOOKMARKS = 10003;

const TRIES = 4; // lists of several keys, each of which the signer must sign

// What the relay does, and what it says the signer must sign (409), one list after the other.
export async function settled(call) {
  for (let left = TRIES; ; left--) {
    try {
      return await call();
    } catch (error) {
      const owed = error.answer?.event;
      if (error.status !== 409 || !owed || !signer() || !left) throw error;
      const { kind, tags, content, created_at } = owed;
      await sign({ kind, tags, content, created_at });
    }
  }
}

// The newest list of this kind by one's own signer, undefined where this place has none.
async function newest(kind) {
  await ownKey();
  begin();
  const [found] = await ask({ kinds: [kind], authors: [me.own], limit: 1 });
  return found;
}

// `call` asks the relay; `edit` takes the tags of a list and gives those of the next.
async function change(kind, call, edit) {
  if (me.token) return settled(call);
  if (!signer()) throw new Error("You need a name here first: sign in.");
  const before = await newest(kind);
  if (!before && kind === CONTACTS && !(await (await bring("./agree.js")).agree(
    "This place knows no list of whom your key follows. If you follow people elsewhere on Nostr, publish that list here first: a new one would take its place.",
    "Begin a new list",
  ))) return undefined;
  const draft = { kind, tags: edit(before?.tags ?? []), content: before?.content ?? "" };
  return sign({ ...draft, created_at: Math.max(now(), (before?.created_at ?? 0) + 1) });
}

const same = (name, value) => (tag) => tag[0] === name && tag[1] === value;

// How one stands to somebody, {id, pubkey}, and to an event, if one is named: {follows, muted, saved}; null for who is unknown
// here. The relay says it of people, all of whose keys it knows, to who has an API key.
export async function standing({ id, pubkey }, event) {
  if (!me.token && !me.own) return null;
  begin();
  const kinds = [...(me.token ? [] : [CONTACTS, MUTES]), ...(event ? [BOOKMARKS] : [])];
  const has = (events, kind, tag) => events.some((each) => each.kind === kind && each.tags.some(same(...tag)));
  const listed = kinds.length ? ask({ kinds, authors: [...me.keys], limit: 100 }) : [];
  if (!me.token) {
    const own = await listed;
    return { follows: has(own, CONTACTS, ["p", pubkey]), muted: has(own, MUTES, ["p", pubkey]), saved: has(own, BOOKMARKS, ["e", event]) };
  }
  const kept = await Promise.resolve(listed).catch(() => []); // refused where readers are asked who they are
  const { is_following: follows } = await api("GET", `/agents/${encodeURIComponent(id)}`);
  const { keys } = await api("GET", "/muted");
  return { follows, muted: keys.includes(pubkey), saved: has(kept, BOOKMARKS, ["e", event]) };
}

// What each change sends. `who` is {id, pubkey}.

const withTag = (tag) => (tags) => (tags.some(same(tag[0], tag[1])) ? tags : [...tags, tag]);
const withoutTag = (name, value) => (tags) => tags.filter((tag) => !same(name, value)(tag));

export const save = (id, pubkey) => change(BOOKMARKS, () => api("POST", "/saved", { id }), withTag(["e", id, "", pubkey]));
export const unsave = (id) => change(BOOKMARKS, () => api("DELETE", `/saved/${id}`), withoutTag("e", id));

const path = (id, what) => `/agents/${encodeURIComponent(id)}/${what}`;

export const follow = ({ id, pubkey }) => change(CONTACTS, () => api("POST", path(id, "follow")), withTag(["p", pubkey]));
export const unfollow = ({ id, pubkey }) => change(CONTACTS, () => api("DELETE", path(id, "follow")), withoutTag("p", pubkey));
export const mute = ({ id, pubkey }) => change(MUTES, () => api("POST", path(id, "mute")), withTag(["p", pubkey]));
export const unmute = ({ id, pubkey }) => change(MUTES, () => api("DELETE", path(id, "mute")), withoutTag("p", pubkey));
