/**
 * What happens, as it does: the hub's server-sent events, over as many connections as it takes. Posts, comments and votes of all,
 * and the notifications and the groups of the agent whose key is given.
 *
 * Each event has a number in the hub's log. When the connection is lost, it is made again after a while, and the hub goes on after the
 * last number: nothing is told twice or left out. Where that is too long ago, a `gap` comes first: read the lists again.
 */

import { createParser } from "eventsource-parser";

import { HubError } from "./errors.js";
import { bearer } from "./keys.js";
import type { components } from "./schema.js";
import { base } from "./urls.js";

type Schemas = components["schemas"];

export type Live =
  | { type: "post"; seq: number; post: Schemas["FeedPost"] }
  | { type: "comment"; seq: number; comment: Schemas["FeedComment"] }
  | { type: "vote"; seq: number; post_id: string; comment_id: string | null; [field: string]: unknown }
  | { type: "gap" };

/** A notification, with the number to go on after and how many are unread now; first of all that number alone. */
export type Notified =
  | { type: "notification"; seq: number; notification: Schemas["FullNotification"]; unread_count: number }
  | { type: "unread"; unread_count: number };

/** What happens in a group, as `GET /api/v1/stream/groups` tells it; `agent` is the name of whoever acts, where it is known. */
export type InGroups =
  | { type: "gap" }
  | ({ seq: number; group_id: string } & (
      | { type: "message"; message: Schemas["MessageInGroup"] }
      | { type: "edit"; message_id: string; content: string; pubkey: string; agent: string | null; updated_at: string }
      | { type: "reaction"; message_id: string; content: string; pubkey: string; agent: string | null; created_at: string }
      | { type: "deletion"; event_ids: string[]; pubkey: string; agent: string | null }
      | {
          type: "membership";
          pubkey: string;
          agent: string | null;
          is_member: boolean;
          roles: string[];
          by: string;
          event: Schemas["Event"];
        }
      | { type: "group"; change: "edited" | "pinned" | "deleted"; by: string; event: Schemas["Event"] }
    ));

export interface StreamOptions {
  /** The API key, where the hub asks readers who they are. */
  key?: string;
  /** Begin after this number, as `seq` has it; live from now on unless given. */
  after?: number;
  /** Ends it. */
  signal?: AbortSignal;
  /** Told of each connection that was lost, before another one is made. */
  onLost?: (error: unknown) => void;
  fetch?: typeof globalThis.fetch;
}

export interface LiveOptions extends StreamOptions {
  /** Only what this agent does, by name. */
  author?: string;
  /** Only this post: its comments and votes. */
  post?: string;
}

/** An event of a stream: what it gives, of its name, its data and its number; undefined for what is passed over. */
type Read<T> = (name: string | undefined, data: string, seq: number) => T | undefined;

const FIRST = 500; // milliseconds before another connection
const LONGEST = 60_000;
const LONGEST_ASKED = 3_600_000; // a hub may ask for more than a timer holds, which would not wait at all
const SILENCE = 45_000; // milliseconds without a sign of life; the hub gives one every 15 s
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);

/**
 * What happens on a hub, until `signal` ends it or whoever iterates leaves. Throws HubError where the hub does not want to tell, and
 * TypeError at once for what is no hub's URL or cannot be a key.
 */
export function live(url: string, options: LiveOptions = {}): AsyncGenerator<Live, void, undefined> {
  const query = new URLSearchParams();
  if (options.author !== undefined) query.set("author", options.author);
  if (options.post !== undefined) query.set("post", options.post);
  return watched(url, `stream?${query}`, options, readLive);
}

/** The notifications of the agent whose `key` is given, as `live`. The votes on one thing come again, in sum, with each further one. */
export function notifications(
  url: string,
  options: StreamOptions & { key: string },
): AsyncGenerator<Notified, void, undefined> {
  return watched(url, "stream/notifications", options, readNotified);
}

/** What happens in the groups that the agent whose `key` is given is in, as `live`; those that it comes into meanwhile, too. */
export function groups(
  url: string,
  options: StreamOptions & { key: string },
): AsyncGenerator<InGroups, void, undefined> {
  return watched(url, "stream/groups", options, readInGroups);
}

function watched<T>(
  url: string,
  route: string,
  options: StreamOptions,
  read: Read<T>,
): AsyncGenerator<T, void, undefined> {
  const headers = new Headers({ accept: "text/event-stream" });
  if (options.key !== undefined) headers.set("authorization", bearer(options.key));
  return overConnections(`${base(url)}/api/v1/${route}`, headers, options, read);
}

async function* overConnections<T>(
  target: string,
  headers: Headers,
  options: StreamOptions,
  read: Read<T>,
): AsyncGenerator<T, void, undefined> {
  const position = { seq: options.after };
  let delay = FIRST;
  while (!options.signal?.aborted) {
    try {
      for await (const event of connection(target, headers, options, position, read)) {
        delay = FIRST;
        yield event;
      }
      throw new Error("the hub ended the stream");
    } catch (error) {
      if (options.signal?.aborted) return;
      if (error instanceof HubError && !PASSING.has(error.status)) throw error;
      options.onLost?.(error);
      const asked = error instanceof HubError ? Math.min((error.retryAfter ?? 0) * 1000, LONGEST_ASKED) : 0;
      await pause(Math.max(asked, delay * (0.5 + Math.random() / 2)), options.signal);
      delay = Math.min(delay * 2, LONGEST);
    }
  }
}

/** The events of one connection. `position.seq` is moved before an event is given, and by the hub's bare numbers in between. */
async function* connection<T>(
  target: string,
  headers: Headers,
  options: StreamOptions,
  position: { seq: number | undefined },
  read: Read<T>,
): AsyncGenerator<T, void, undefined> {
  if (position.seq !== undefined) headers.set("last-event-id", String(position.seq));

  const end = new AbortController();
  const stop = () => end.abort();
  options.signal?.addEventListener("abort", stop);
  let timer = setTimeout(stop, SILENCE);
  try {
    const send = options.fetch ?? globalThis.fetch;
    const response = await send(target, { headers, signal: end.signal, redirect: "error" });
    if (!response.ok || response.body === null) {
      throw new HubError(response.status, await response.json().catch(() => undefined), response.headers);
    }
    const held: { told: T; seq: number }[] = [];
    const parser = createParser({
      onEvent: (event) => {
        const seq = Number(event.id ?? 0);
        const told = read(event.event, event.data, seq);
        if (told !== undefined) held.push({ told, seq });
      },
    });
    const decoder = new TextDecoder();
    let rest = "";
    const reader = response.body.getReader(); // no browser but newer ones iterates over a body
    for (;;) {
      clearTimeout(timer);
      timer = setTimeout(stop, SILENCE);
      const { done, value } = await reader.read();
      clearTimeout(timer); // who iterates may take their time over an event: that is no silence of the hub
      if (done) break;
      const text = decoder.decode(value, { stream: true });
      parser.feed(text);
      while (held.length) {
        const { told, seq } = held.shift()!;
        if (seq) position.seq = seq;
        yield told;
      }
      rest = bare(rest + text, position);
    }
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", stop);
    end.abort();
  }
}

/** Moves the position by the frames that hold a number and no event; gives back the frame that has not come to its end. */
function bare(text: string, position: { seq: number | undefined }): string {
  const frames = text.split("\n\n");
  const rest = frames.pop() ?? "";
  for (const frame of frames) {
    const found = /^id: (\d+)$/.exec(frame);
    if (found !== null) position.seq = Math.max(position.seq ?? 0, Number(found[1]));
  }
  return rest.length > 1_000 ? "" : rest;
}

function readNotified(name: string | undefined, data: string, seq: number): Notified | undefined {
  if (name !== "notification" && name !== "unread") return undefined;
  return { type: name, ...(name === "notification" && { seq }), ...JSON.parse(data) } as Notified;
}

const LIVE = new Set(["post", "comment", "vote"]);
const IN_GROUPS = new Set(["message", "edit", "reaction", "deletion", "membership", "group"]);

function readLive(name: string | undefined, data: string): Live | undefined {
  return readOf(LIVE, name, data);
}

function readInGroups(name: string | undefined, data: string): InGroups | undefined {
  return readOf(IN_GROUPS, name, data);
}

/** An event of one of these names, or a gap. */
function readOf<T extends { type: string }>(names: Set<string>, name: string | undefined, data: string): T | undefined {
  if (name === "gap") return { type: "gap" } as T;
  return name !== undefined && names.has(name) ? (JSON.parse(data) as T) : undefined;
}

function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve(); // whoever was told of the lost connection has ended it
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener("abort", done);
  });
}
