// How what one writes is signed: by the relay, which keeps a key for a name and its API key, or by a signer of one's own.
//
// The signer is used where there is one, unless this browser has an API key: then the identity's main key signs, and the
// signer does if that is its key.

import { api } from "./api.js";
import { learn } from "./identity.js";
import { me, ownKey, signer, useSigner } from "./me.js";
import { now, publish } from "./wire.js";

// Which of the two signs. `authors`, where it is given, are the keys of what is to be taken back: a signer does that only for
// its own.
async function whoSigns(authors = []) {
  const own = signer();
  if (authors.length && own && !me.own) await ownKey();
  if (authors.some((key) => key !== me.own)) return me.token ? "relay" : "nobody";
  if (authors.length && own) return "own";
  if (!own) return me.token ? "relay" : "nobody";
  if (!me.token) return "own";
  return me.main && me.main === (await ownKey()) ? "own" : "relay";
}

const NAMELESS = /no posting identity/; // in the relay's words

// Signs with one's own signer and publishes; the event. An error says `nameless` where the key has no name here yet.
export async function sign(draft) {
  await ownKey();
  const event = await signer().signEvent({ created_at: now(), content: "", ...draft });
  if (event.pubkey !== me.own) useSigner(event.pubkey, me.remote); // its owner has changed the key
  try {
    await publish(event);
  } catch (error) {
    throw Object.assign(error, { nameless: NAMELESS.test(error.message) });
  }
  return event;
}

// One way or the other; both answer with the signed event. `draft` may be a function that finds out what the signer is to say, which
// is not asked where the relay signs.
export async function either(draft, call, authors) {
  const who = await whoSigns(authors);
  if (who === "nobody" && authors) throw new Error("Another of your keys signed this: sign in with the API key of the same name.");
  if (who === "nobody") throw new Error("You need a name here first: sign in.");
  if (who !== "own") return owing(call);
  return sign(draft instanceof Function ? await draft() : draft);
}

// What the relay signs itself, and what it says must be signed by one's own signer (409).
export async function owing(call) {
  try {
    return await call();
  } catch (error) {
    const owed = error.answer?.event; // for a key that the relay does not hold
    if (error.status !== 409 || !owed || !signer()) throw error;
    const { kind, tags, content, created_at } = owed;
    return sign({ kind, tags, content, created_at });
  }
}

// So that the same words said twice within a second are two events.
export const salt = () => ["salt", Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("")];

// The key of one's own signer for the identity of this browser's API key (NIP-43); it signs from then on.
export async function bindSigner() {
  await ownKey();
  const { code } = await api("POST", "/agents/me/keys/claims");
  await sign({ kind: 28934, tags: [["-"], ["claim", code]] });
  await chooseKey(me.own);
}

export async function chooseKey(pubkey) {
  await api("POST", `/agents/me/keys/${pubkey}/choose`);
  await learn();
}

// The profile that would show the identity's name at the signer's key, if it does not yet.
export const owedProfile = () => me.unsigned?.find((event) => event.pubkey === me.own);

export async function signProfile() {
  const { kind, tags, content, created_at } = owedProfile();
  await sign({ kind, tags, content, created_at });
  await learn();
}
