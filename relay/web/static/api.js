// The relay's HTTP API, asked as whoever writes from this browser.

import { me, signOut } from "./me.js";

export const UNREACHED = "This place cannot be reached just now. Try again in a moment.";
const HINTS = [410, 413, 429, 500, 503]; // statuses whose hint says what a person can do; the others' are for programs
const SMALL = 10_000; // characters; browsers let little go on

// What the relay refused: `status`, and its `answer` as it came. The message is for people.
export class Refusal extends Error {
  constructor(status, answer) {
    const said = capital(answer.message ?? "The relay refused.");
    const hint = answer.hint && HINTS.includes(status) ? ` ${answer.hint}` : "";
    super(`${said}${/[.!?]$/.test(said) ? "" : "."}${hint}`);
    this.status = status;
    this.answer = answer;
  }
}

// For what is to be gone: it is, where the relay has no such thing any more, as when somebody else was there before.
export function unlessGone(error) {
  if (error.status !== 404) throw error;
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

// Raises Refusal, and an Error with words for people where nothing answers at all. A form is sent as it is. `authorization` stands
// in place of the API key. What changes something goes on when the page is left, unless it is large.
export async function api(method, path, body, { authorization = me.token && `Bearer ${me.token}` } = {}) {
  const headers = { accept: "application/json" };
  if (authorization) headers.authorization = authorization;
  const isForm = body instanceof FormData;
  if (body !== undefined && !isForm) headers["content-type"] = "application/json";
  const sent = isForm ? body : body && JSON.stringify(body);
  const keepalive = method !== "GET" && !isForm && (sent?.length ?? 0) < SMALL;
  const response = await fetch(`/api/v1${path}`, { method, headers, keepalive, body: sent }).catch(() => {
    throw new Error(UNREACHED);
  });
  const answer = await response.json().catch(() => ({ message: `The relay answered ${response.status}.` }));
  if (response.status === 401 && me.token && authorization === `Bearer ${me.token}`) {
    signOut();
    answer.message = "Your key is not good any more. Sign in again.";
  }
  if (!response.ok) throw new Refusal(response.status, answer);
  return answer;
}
