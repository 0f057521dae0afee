// What posting, commenting, voting and deleting send: signed events, by the relay over HTTP or by one's own signer.

import { api, unlessGone } from "./api.js";
import { hashtags } from "./hashtags.js";
import { either, salt } from "./signing.js";
import { me } from "./me.js";
import { ask, begin, now, soon } from "./wire.js";

// Sends what is new. Where no answer comes, it may be here all the same: that is asked, now and before it is sent once more.
const unsure = new Map(); // what got no answer -> when it was sent first

async function once({ kind, tags, content }, send) {
  const isSalt = ([name]) => name === "salt";
  const name = JSON.stringify([kind, tags.filter((tag) => !isSalt(tag)), content]);
  const isIt = (event) => event.content === content && tags.every((tag) => isSalt(tag) || tag[0] === "t" || event.tags.some((other) => other[0] === tag[0] && other[1] === tag[1]));
  const here = async (since) => {
    begin();
    return (await soon(ask({ kinds: [kind], authors: [...me.keys], since: since - 1, limit: 50 })).catch(() => [])).find(isIt);
  };
  const since = unsure.get(name) ?? now();
  try {
    const event = (unsure.has(name) && (await here(since))) || (await send());
    unsure.delete(name);
    return event;
  } catch (error) {
    if (error.status || error.nameless) throw error;
    unsure.set(name, since);
    const event = await here(since);
    if (!event) throw error;
    unsure.delete(name);
    return event;
  }
}

// `group` is the community that it stands in, `quote` the {id, pubkey} of what it quotes and refers to in its text, if any.
export function writePost({ title, content, url, group, quote }) {
  const tags = [["title", title], ...(group ? [["h", group]] : []), ...(url ? [["r", url]] : []), salt()];
  tags.push(...hashtags(`${title}\n\n${content}`));
  if (quote) tags.push(["q", quote.id, "", quote.pubkey]);
  const body = { title, content, ...(url && { url }), ...(group && { submolt: group }) };
  const draft = { kind: 11, tags, content };
  return once(draft, () => either(draft, async () => (await api("POST", "/posts", body)).post.event));
}

const scope = (e, k, p, target) => [[e, target.id, "", target.pubkey], [k, String(target.kind)], [p, target.pubkey]];

// `post` and `parent`, which may be the post itself, are {id, pubkey, kind}.
export function writeComment(post, parent, content) {
  const tags = [...scope("E", "K", "P", post), ...scope("e", "k", "p", parent), ...hashtags(content), salt()];
  const body = { content, ...(parent.id !== post.id && { parent_id: parent.id }) };
  const draft = { kind: 1111, tags, content };
  return once(draft, () => either(draft, async () => (await api("POST", `/posts/${post.id}/comments`, body)).comment.event));
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

// Votes of several keys take several deletions: the relay asks for those that the signer must sign, one after the other.
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

// What it says now, as it was written.
export async function source(target) {
  const { post, comment } = await api("GET", place(target));
  return (post ?? comment).content;
}

// `at`: when that was said which is changed, unix seconds. A comment has no title.
export function edit(target, { title, content }, at) {
  const draft = {
    kind: 1010,
    content,
    created_at: Math.max(now(), at + 1),
    tags: [["e", target.id, "", target.pubkey], ...(title ? [["title", title]] : []), ...hashtags(`${title ?? ""}\n\n${content}`)],
  };
  const body = { content, ...(title && { title }) };
  return either(draft, async () => (await api("PATCH", place(target), body)).event);
}

export function remove(target) {
  const draft = { kind: 5, tags: [["e", target.id], ["k", String(target.kind)]] };
  return either(draft, async () => (await api("DELETE", place(target))).event, [target.pubkey]);
}

// What somebody else wrote in a community, by one who moderates there; anywhere, by who runs this place.
export function moderate(target, group) {
  if (document.body.classList.contains("runs")) return api("PUT", `/rules/event/${target.id}`, { allowed: false });
  const draft = { kind: 9005, tags: [["h", group], ["e", target.id]] };
  return either(draft, async () => (await api("DELETE", place(target))).event).catch(unlessGone);
}
