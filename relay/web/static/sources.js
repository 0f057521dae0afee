// Where the messages of a room come from: the relay's WebSocket, for what everybody reads and for members with a signing
// extension; the HTTP API (private-room.js), for members with an API key. Both answer alike.
//
// `page(before)` gives {events, more, tallies}: the newest messages before {at, id}; `tallies`, as `reactions(ids)` gives them,
// say by message {counts, mine}: how many said what, and what one says oneself. `live` tells of {event, state, elsewhere}.

import { me } from "./me.js";
import { ask, begin, follow } from "./wire.js";

const PAGE = 50;
const KINDS = [5, 7, 9, 1010, 9000, 9001, 9005, 9008];
const REACTIONS = 500;
const EDITS = 500;
const LONGEST = 64; // characters of a reaction

// The first value of a tag.
export const value = (event, name) => event.tags.find((tag) => tag[0] === name)?.[1];

export const said = new Map(); // id of a reaction that was heard -> {of, pubkey}

export const texts = new Map(); // id of a message that was edited -> {content, updated_at}: what it says now

// The newest counts; whether it is by whom it must be is for the caller to know.
export function edit(id, content, updated_at) {
  if ((texts.get(id)?.updated_at ?? -1) > updated_at) return;
  texts.set(id, { content, updated_at });
  if (texts.size > 2000) texts.delete(texts.keys().next().value);
}

async function learnEdits(events) {
  const authors = new Map(events.map((event) => [event.id, event.pubkey]));
  if (!authors.size) return events;
  const asked = { kinds: [1010], authors: [...new Set(authors.values())], "#e": [...authors.keys()], limit: EDITS };
  for (const one of await ask(asked)) {
    const id = value(one, "e");
    if (authors.get(id) === one.pubkey) edit(id, one.content, one.created_at);
  }
  return events;
}

function note(event) {
  const of = event.tags.findLast((tag) => tag[0] === "e")?.[1];
  said.set(event.id, { of, pubkey: event.pubkey });
  if (said.size > 5000) said.delete(said.keys().next().value);
  return of;
}

function tally(ids, events) {
  const tallies = new Map(ids.map((id) => [id, { counts: new Map(), mine: new Set() }]));
  const seen = new Set();
  for (const event of events) {
    const content = event.content || "+";
    const of = note(event);
    const key = `${of} ${event.pubkey} ${content}`;
    const entry = tallies.get(of);
    if (!entry || seen.has(key) || content.length > LONGEST) continue;
    seen.add(key);
    entry.counts.set(content, (entry.counts.get(content) ?? 0) + 1);
    if (me.keys.has(event.pubkey)) entry.mine.add(content);
  }
  return tallies;
}

// `knows`: whether the relay may ask the extension who reads.
export function overSocket(group, knows) {
  const messages = { kinds: [9], "#h": [group] };
  begin();
  return {
    async page(before) {
      const asked = { ...messages, limit: PAGE + 1, ...(before && { until: before.at }) };
      const found = await ask(asked);
      const events = found.filter((event) => !before || event.created_at < before.at || event.id > before.id);
      return { events: await learnEdits(events), more: found.length > PAGE, tallies: null };
    },
    get: async (ids) => learnEdits(await ask({ ids, kinds: [9] })),
    async history(id) {
      const [message] = await ask({ ids: [id], kinds: [9] });
      if (!message) return [];
      const found = await ask({ kinds: [1010], authors: [message.pubkey], "#e": [id], "#h": [group], limit: 50 });
      return [message, ...found.reverse()];
    },
    async reactions(ids) {
      const some = ids.slice(-100);
      return tally(some, await ask({ kinds: [7], "#e": some, limit: REACTIONS }));
    },
    async info() {
      const [event] = await ask({ kinds: [39000], "#d": [group], limit: 1 });
      return event && { name: value(event, "name") ?? "", about: value(event, "about") ?? "" };
    },
    async members() {
      const found = await ask({ kinds: [39001, 39002], "#d": [group], limit: 2 });
      const tags = (kind) => found.find((event) => event.kind === kind)?.tags.filter((tag) => tag[0] === "p") ?? [];
      const roles = new Map(tags(39001).map((tag) => [tag[1], tag.slice(2)]));
      const all = tags(39002).map((tag) => [tag[1], ...(roles.get(tag[1]) ?? [])]);
      return { count: all.length, members: all };
    },
    live: (since, told) => follow(since, told, [{ kinds: KINDS, "#h": [group] }], knows),
  };
}
