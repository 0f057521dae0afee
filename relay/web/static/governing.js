// What those send who begin a group and look after it (NIP-29): 9007, 9002 and 9009.

import { api } from "./api.js";
import { either } from "./signing.js";
import { ask, begin } from "./wire.js";

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
export async function editGroup(group, said) {
  begin();
  const [now] = await ask({ kinds: [39000], "#d": [group], limit: 1 });
  const kept = (now?.tags ?? []).filter(([name]) => name !== "d" && !OURS.includes(name));
  const tags = [["h", group], ...texts(said), ...flags(said), ...kept];
  return either({ kind: 9002, tags }, async () => (await api("PATCH", at(group), said)).event);
}

const random = () => Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
const WEEK = 7 * 86_400;

// A code for one, or for any number, good for a week.
export async function invite(group, uses) {
  const code = random();
  const until = String(Math.floor(Date.now() / 1000) + WEEK);
  const tags = [["h", group], ["code", code], ["uses", uses === null ? "unlimited" : String(uses)], ["expiration", until]];
  await either({ kind: 9009, tags }, async () => (await api("POST", at(group, "/invites"), { code, uses, days: 7 })).event);
  return code;
}

export const revoke = (group, code) =>
  either({ kind: 9009, tags: [["h", group], ["code", code], ["revoked"]] }, async () => (await api("DELETE", at(group, `/invites/${encodeURIComponent(code)}`))).event);

export const invites = async (group) => (await api("GET", at(group, "/invites"))).invites;
