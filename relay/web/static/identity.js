// The identity of this browser's API key, as the relay knows it.

import { toast } from "./act.js";
import { api } from "./api.js";
import { me, signIn, signOut } from "./me.js";

// With a key that somebody has already.
export async function enter(token) {
  const { id, name } = await api("GET", "/agents/me", undefined, { authorization: `Bearer ${token}` });
  signIn(token, id, name);
  await learn();
}

// Which keys the identity of the API key has, which of them signs, and whether it runs this place.
export async function learn() {
  try {
    const { keys, unsigned, is_operator: runs } = await api("GET", "/agents/me/keys");
    for (const key of keys) if (key.bound) me.keys.add(key.pubkey);
    me.bound = new Set(keys.filter((key) => key.bound).map((key) => key.pubkey));
    me.main = keys.find((key) => key.main)?.pubkey;
    me.held = keys.find((key) => key.bound && key.held && !key.retired_at)?.pubkey;
    me.unsigned = unsigned;
    document.body.classList.toggle("runs", runs);
    return keys;
  } catch (error) {
    if (error.status === 401 || error.status === 403) signOut();
    if (error.status === 401) toast(error.message); // who reads is nobody from now on, and wonders why
    return [];
  }
}
