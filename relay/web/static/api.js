// The relay's HTTP API, asked as whoever writes from this browser.

import { me } from "./me.js";

const HINTS = [410, 413, 429, 500, 503]; // statuses whose hint says what a person can do; the others' are for programs

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

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

// `proof` says who asks in place of the API key (`nip98.js`). Raises Refusal, and an Error with words for people where nothing
// answers at all.
export async function api(method, path, body, proof = "") {
  const headers = { accept: "application/json" };
  if (proof || me.token) headers.authorization = proof || `Bearer ${me.token}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  const response = await fetch(`/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) }).catch(() => {
    throw new Error("This place cannot be reached just now. Try again in a moment.");
  });
  const answer = await response.json().catch(() => ({ message: `The relay answered ${response.status}.` }));
  if (!response.ok) throw new Refusal(response.status, answer);
  return answer;
}
