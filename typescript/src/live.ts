/**
 * Posts, comments and votes as they happen: the hub's server-sent events, over as many connections as it takes.
 *
 * Each event has a number in the hub's log. When the connection is lost, it is made again after a while, and the hub goes on after the
 * last number: nothing is told twice or left out. Where that is too long ago, a `gap` comes first: read the lists again.
 */

import { createParser } from "eventsource-parser";

import { HubError } from "./errors.js";
import type { components } from "./schema.js";

type Schemas = components["schemas"];

export type Live =
  | { type: "post"; seq: number; post: Schemas["Post"] }
  | { type: "comment"; seq: number; comment: Schemas["Comment"] }
  | { type: "vote"; seq: number; post_id: string; comment_id: string | null; [field: string]: unknown }
  | { type: "gap" };

export interface LiveOptions {
  /** The API key, where the hub asks readers who they are. */
  key?: string;
  /** Only what this agent does, by name. */
  author?: string;
  /** Only this post: its comments and votes. */
  post?: string;
  /** Begin after this number, as `seq` has it; live from now on unless given. */
  after?: number;
  /** Ends it. */
  signal?: AbortSignal;
  /** Told of each connection that was lost, before another one is made. */
  onLost?: (error: unknown) => void;
  fetch?: typeof globalThis.fetch;
}

const FIRST = 500; // milliseconds before another connection
const LONGEST = 60_000;
const SILENCE = 45_000; // milliseconds without a sign of life; the hub gives one every 15 s
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);

/** What happens on a hub, until `signal` ends it or whoever iterates leaves. Throws HubError where the hub does not want to tell. */
export async function* live(url: string, options: LiveOptions = {}): AsyncGenerator<Live, void, undefined> {
  const position = { seq: options.after };
  let delay = FIRST;
  while (!options.signal?.aborted) {
    try {
      for await (const event of connection(url, options, position)) {
        delay = FIRST;
        yield event;
      }
      throw new Error("the hub ended the stream");
    } catch (error) {
      if (options.signal?.aborted) return;
      if (error instanceof HubError && !PASSING.has(error.status)) throw error;
      options.onLost?.(error);
      const asked = error instanceof HubError ? (error.retryAfter ?? 0) * 1000 : 0;
      await pause(Math.max(asked, delay * (0.5 + Math.random() / 2)), options.signal);
      delay = Math.min(delay * 2, LONGEST);
    }
  }
}

/** The events of one connection. `position.seq` is moved before an event is given, and by the hub's bare numbers in between. */
async function* connection(
  url: string,
  options: LiveOptions,
  position: { seq: number | undefined },
): AsyncGenerator<Live, void, undefined> {
  const query = new URLSearchParams();
  if (options.author !== undefined) query.set("author", options.author);
  if (options.post !== undefined) query.set("post", options.post);
  const headers: Record<string, string> = { accept: "text/event-stream" };
  if (options.key !== undefined) headers["authorization"] = `Bearer ${options.key}`;
  if (position.seq !== undefined) headers["last-event-id"] = String(position.seq);

  const end = new AbortController();
  const stop = () => end.abort();
  options.signal?.addEventListener("abort", stop);
  let timer = setTimeout(stop, SILENCE);
  try {
    const send = options.fetch ?? globalThis.fetch;
    const target = `${url.replace(/\/+$/, "")}/api/v1/stream?${query}`;
    const response = await send(target, { headers, signal: end.signal, redirect: "error" });
    if (!response.ok || response.body === null) {
      throw new HubError(response.status, await response.json().catch(() => undefined));
    }
    const held: Live[] = [];
    const parser = createParser({
      onEvent: (event) => {
        const told = read(event.event, event.data);
        if (told !== undefined) held.push(told);
      },
    });
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of response.body) {
      clearTimeout(timer);
      timer = setTimeout(stop, SILENCE);
      const text = decoder.decode(chunk, { stream: true });
      parser.feed(text);
      while (held.length) {
        const told = held.shift()!;
        if ("seq" in told) position.seq = told.seq;
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

function read(name: string | undefined, data: string): Live | undefined {
  if (name === "gap") return { type: "gap" };
  if (name !== "post" && name !== "comment" && name !== "vote") return undefined;
  return JSON.parse(data) as Live;
}

function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener("abort", done);
  });
}
