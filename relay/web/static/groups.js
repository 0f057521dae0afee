// What joining a group, leaving it and talking in it send (NIP-29). With an API key the relay says which of one's keys signs:
// that which is in the group.

import { api } from "./api.js";
import { me, signer } from "./me.js";
import { owing, salt, sign } from "./signing.js";
import { now } from "./wire.js";

const groupPath = (group, rest = "") => `/groups/${encodeURIComponent(group)}${rest}`;

function inGroup(group, kind, tags, content, call, fields) {
  if (me.token) return owing(call);
  if (!signer()) throw new Error("You need a name here first: sign in.");
  return sign({ kind, content, tags: [["h", group], ...tags], ...fields });
}

export function joinGroup(group, code) {
  const tags = code ? [["code", code]] : [];
  return inGroup(group, 9021, tags, "", () => api("POST", groupPath(group, "/join"), code ? { code } : {}));
}

export const leaveGroup = (group) => inGroup(group, 9022, [], "", () => api("POST", groupPath(group, "/leave")));

let said = 0; // when one said something last, unix seconds

// `above` is the message that this one answers, if any (NIP-C7): it stands behind that, and behind what one said before.
export function say(group, content, above) {
  const tags = above ? [["q", above.id, "", above.pubkey], ["p", above.pubkey]] : [];
  const body = { content, ...(above && { reply_to: above.id }) };
  const send = async () => (await api("POST", groupPath(group, "/messages"), body)).message.event;
  said = Math.min(Math.max(now(), said + 1, (above?.at ?? 0) + 1), now() + 60);
  return inGroup(group, 9, [...tags, salt()], content, send, { created_at: said });
}

// One's own message, said anew (kind 1010): `since` is when that was said which it says now.
export function editMessage(group, message, content, since) {
  const tags = [["e", message.id, "", message.pubkey], salt()];
  const call = () => api("PATCH", messagePath(group, message), { content });
  return inGroup(group, 1010, tags, content, call, { created_at: Math.max(now(), since + 1) });
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
// `moderates`: whether one does so here; who runs this place and does not, removes as of the whole place.
export function removeMessage(group, message, moderates) {
  const own = me.keys.has(message.pubkey);
  if (!own && !moderates && document.body.classList.contains("runs")) return api("PUT", `/rules/event/${message.id}`, { allowed: false });
  const tags = [["e", message.id], ...(own ? [["k", "9"]] : [])];
  return inGroup(group, own ? 5 : 9005, tags, "", () => api("DELETE", messagePath(group, message)));
}
