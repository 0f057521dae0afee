// What those send who begin a group and look after it (NIP-29): 9007, 9002 and 9009.

import { api } from "./api.js";
import { either } from "./signing.js";
import { ask, begin, now } from "./wire.js";

const at = (group, rest = "") => `/groups/${encodeURIComponent(group)}${rest}`;
const FLAGS = ["private", "restricted", "closed"];
const OURS = ["name", "about", "restricted", "closed"];

const texts = ({ name, about }) => [["name", name], ...(about ? [["about", about]] : [])];
const flags = (said) => FLAGS.filter((flag) => said[flag]).map((flag) => [flag]);

export function beginGroup(id, said) {
  const tags = [["h", id], ...texts(said), ...flags(said), ["supported_kinds", ...said.supported_kinds.map(String)]];
  return either({ kind: 9007, tags }, async () => (await api("POST", "/groups", { id, ...said })).event);
}

// A 9002 says all of a group, so one's own signer says again what does not change.
export function editGroup(group, said) {
  const draft = async () => {
    begin();
    const [before] = await ask({ kinds: [39000], "#d": [group], limit: 1 });
    const kept = (before?.tags ?? []).filter(([name]) => name !== "d" && !OURS.includes(name));
    return { kind: 9002, tags: [["h", group], ...texts(said), ...flags(said), ...kept] };
  };
  return either(draft, async () => (await api("PATCH", at(group), said)).event);
}

const random = () => Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
const WEEK = 7 * 86_400;

// A code for one, or for any number, good for a week.
export async function invite(group, uses) {
  const code = random();
  const until = String(now() + WEEK);
  const tags = [["h", group], ["code", code], ["uses", uses === null ? "unlimited" : String(uses)], ["expiration", until]];
  await either({ kind: 9009, tags }, async () => (await api("POST", at(group, "/invites"), { code, uses, days: 7 })).event);
  return code;
}

export const revoke = (group, code) =>
  either({ kind: 9009, tags: [["h", group], ["code", code], ["revoked"]] }, async () => (await api("DELETE", at(group, `/invites/${encodeURIComponent(code)}`))).event);

export const invites = async (group) => (await api("GET", at(group, "/invites"))).invites;

// The same by what the relay and others said of codes (9009), the last of it: for who has nothing but a signer.
export async function invitesHeard(group) {
  begin();
  const found = await ask({ kinds: [9009], "#h": [group], limit: 500 });
  const value = (event, name) => event.tags.find((tag) => tag[0] === name)?.[1];
  const left = (event) => (event.tags.some(([name]) => name === "revoked") ? 0 : value(event, "uses") === "unlimited" ? Infinity : Number(value(event, "uses") ?? 1));
  found.sort((a, b) => a.created_at - b.created_at || left(b) - left(a));
  const last = new Map(found.flatMap((event) => event.tags.filter(([name]) => name === "code").map(([, code]) => [code, event])));
  return [...last]
    .filter(([, event]) => left(event) > 0 && Number(value(event, "expiration") ?? Infinity) > now())
    .map(([code, event]) => ({ code, uses_left: left(event) === Infinity ? null : left(event) }))
    .reverse();
}

// The whole list of what is pinned; what is pinned now comes first.
function pins(group, change, call) {
  const draft = async () => {
    begin();
    const [present] = await ask({ kinds: [39005], "#d": [group], limit: 1 });
    const kept = (present?.tags ?? []).filter(([name]) => name === "e" || name === "a");
    return { kind: 9010, tags: [["h", group], ...change(kept)] };
  };
  return either(draft, async () => (await call()).event);
}

const without = (id) => (tags) => tags.filter(([, value]) => value !== id);

export const pin = (group, id) => pins(group, (tags) => [["e", id], ...without(id)(tags)], () => api("POST", at(group, "/pins"), { id }));
export const unpin = (group, id) => pins(group, without(id), () => api("DELETE", at(group, `/pins/${id}`)));

// `who` is a key; no roles make somebody a member like others.
export const setRoles = (group, who, roles) =>
  either({ kind: 9000, tags: [["h", group], ["p", who, ...roles]] }, async () => (await api("POST", at(group, "/members"), { pubkey: who, roles })).event);

export async function keyOf(name) {
  const { agent } = await api("GET", `/agents/${encodeURIComponent(name.replace(/^@/, ""))}`);
  return agent.pubkey;
}
