// What a room for members needs alone: the offer to be known by an extension, and for who has an API key its messages, over HTTP and
// live by server-sent events. See sources.js.

import { bring } from "./act.js";
import { api } from "./api.js";
import { me, ownKey, signer } from "./me.js";
import { lookAgain } from "./membership.js";
import { edit } from "./sources.js";

const PAGE = 50;

const path = (group, rest = "") => `/groups/${encodeURIComponent(group)}${rest}`;
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
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

// The extension is asked for its key only when its owner says so.
export function offerExtension(gate, enter) {
  if (!signer() || gate.querySelector("button")) return;
  const button = Object.assign(document.createElement("button"), { type: "button", className: "plain-button", textContent: "Use my Nostr extension" });
  button.addEventListener("click", async () => {
    await ownKey();
    await lookAgain();
    await enter();
  });
  gate.append(" ", button);
}

// What the page of a room says before it is known who reads is its name in the address. Answers the relay where it is at home, "" for this one.
export async function introduce(source, group) {
  const info = await source.info();
  if (!info) return "";
  const name = document.getElementById("room-name");
  name.textContent = info.name || group;
  document.title = document.title.replace(/^.*? · /, `${name.textContent} · `);
  if (info.home) {
    const words = document.getElementById("elsewhere");
    words.querySelector("code").textContent = info.home;
    words.hidden = false;
  }
  if (info.about) bring("./preview.js").then(({ show }) => show(info.about, document.getElementById("room-about"))).catch(() => null);
  return info.home ?? "";
}

export function overApi(group) {
  let isOpened = false;
  return {
    forgets: true, // it is live from when it opens
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
      told.state("live", true); // the stream begins now: what came since the messages were read is not in it
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
