// Where the messages of a room come from: the relay's WebSocket, for what everybody reads and for members with a signing
// extension; the HTTP API, for members with an API key. Both answer alike.
//
// `page(before)` gives {events, more, tallies}: the newest messages before {at, id}; `tallies`, as `reactions(ids)` gives them,
// say by message {counts, mine}: how many said what, and what one says oneself. `live` tells of {event, state, elsewhere}.

import { api } from "./api.js";
import { me } from "./me.js";
import { ask, begin, follow } from "./wire.js";

const PAGE = 50;
const KINDS = [5, 7, 9, 1010, 9000, 9001, 9005, 9008];
const REACTIONS = 500;
const EDITS = 500;
const LONGEST = 64; // characters of a reaction

const path = (group, rest = "") => `/groups/${encodeURIComponent(group)}${rest}`;
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

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
    const id = one.tags.find((tag) => tag[0] === "e")?.[1];
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
      const value = (name) => event?.tags.find((tag) => tag[0] === name)?.[1] ?? "";
      return event && { name: value("name"), about: value("about") };
    },
    async members() {
      const found = await ask({ kinds: [39001, 39002], "#d": [group], limit: 2 });
      const tags = (kind) => found.find((event) => event.kind === kind)?.tags.filter((tag) => tag[0] === "p") ?? [];
      const roles = new Map(tags(39001).map((tag) => [tag[1], tag.slice(2)]));
      const all = tags(39002).map((tag) => [tag[1], ...(roles.get(tag[1]) ?? [])]);
      return { count: all.length, members: all };
    },
    live: (since, told) => follow(since, told, { kinds: KINDS, "#h": [group] }, knows),
  };
}

const seconds = (text) => Math.floor(Date.parse(text) / 1000);

function eventOf(message) {
  if (message.updated_at) edit(message.id, message.content, seconds(message.updated_at));
  return message.event;
}

const gone = (error) => {
  if (error.status !== 404) throw error;
  return null;
};
const tallied = (message) => [message.id, { counts: new Map(Object.entries(message.reactions)), mine: new Set(message.your_reactions) }];

export function overApi(group) {
  let isOpened = false;
  return {
    async page(before) {
      const cursor = before ? `&cursor=${before.at}-${before.id}` : "";
      const { messages, has_more } = await api("GET", path(group, `/messages?limit=${PAGE}${cursor}`));
      return { events: messages.map(eventOf), more: has_more, tallies: new Map(messages.map(tallied)) };
    },
    async get(ids) {
      const found = await Promise.all(ids.map((id) => api("GET", path(group, `/messages/${id}`)).catch(gone)));
      return found.filter(Boolean).map(({ message }) => eventOf(message));
    },
    history: async (id) => (await api("GET", path(group, `/messages/${id}/history`))).versions.map((version) => version.event),
    async reactions(ids) {
      if (ids.length === 1) return new Map([tallied((await api("GET", path(group, `/messages/${ids[0]}?events=false`))).message)]);
      return new Map((await api("GET", path(group, "/messages?limit=100&events=false"))).messages.map(tallied));
    },
    info: async () => (await api("GET", path(group))).group,
    async members() {
      const [{ group: { member_count } }, { members }] = await Promise.all([
        api("GET", path(group)), api("GET", path(group, "/members?limit=100")),
      ]);
      return { count: member_count, members: members.map(({ pubkey, roles }) => [pubkey, ...roles]) };
    },
    live(_since, told) {
      if (!isOpened) stream(group, told);
      isOpened = true;
    },
  };
}

// Server-sent events (`/stream/groups`), read by hand: an EventSource sends no token.
async function stream(group, told) {
  for (let tries = 0; ; tries++) {
    try {
      const headers = { accept: "text/event-stream", authorization: `Bearer ${me.token}` };
      const response = await fetch("/api/v1/stream/groups", { headers, cache: "no-store" });
      if (response.status === 401 || response.status === 403) return told.state("refused");
      if (!response.ok) throw new Error(`${response.status}`);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      await listen(reader, group, told, () => { tries = 0; });
    } catch {
      // as when it ends: it is opened again
    }
    told.state("lost");
    await pause(Math.min(30_000, 500 * 2 ** tries) * (0.5 + Math.random() / 2));
  }
}

async function listen(reader, group, told, begun) {
  let rest = "";
  for (let first = true; ; first = false) {
    const { value, done } = await reader.read();
    if (done) return;
    if (first) {
      begun();
      told.state("live");
    }
    const frames = (rest + value).split("\n\n");
    rest = frames.pop();
    for (const frame of frames) {
      const data = frame.split("\n").find((line) => line.startsWith("data: "));
      if (data) notice(JSON.parse(data.slice(6)), group, told);
    }
  }
}

const named = (name, ids) => ids.map((id) => [name, id]);

// What a notice tells, as the events that the WebSocket would bring. Of a deletion only the relay knows whether it was allowed.
const EVENTS = {
  message: ({ message }) => message.event,
  edit: ({ message_id, pubkey, content, updated_at }) =>
    ({ kind: 1010, pubkey, content, created_at: seconds(updated_at), tags: [["e", message_id]] }),
  reaction: ({ message_id, pubkey }) => ({ kind: 7, pubkey, tags: [["e", message_id]] }),
  deletion: ({ event_ids, pubkey }) => ({ kind: 5, pubkey, tags: named("e", event_ids), isUnsure: true }),
  membership: ({ event }) => event,
  group: ({ event }) => event,
};

function notice(about, group, told) {
  const event = EVENTS[about.type]?.(about);
  if (event && about.group_id === group) told.event(event);
  else if (event?.kind === 9) told.elsewhere(about.group_id);
}
