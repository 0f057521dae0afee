// Signing in with nothing but a signer of one's own: a proof of its key (NIP-98) for a token with which this browser reads what is
// one's own. Its owner is asked once; what is written is signed each time, as always.

import { api } from "./api.js";
import { learn } from "./identity.js";
import { ownKey, signIn, signer } from "./me.js";
import { now } from "./wire.js";

const PATH = "/agents/login";

export async function logIn() {
  await ownKey();
  const url = `${location.origin}/api/v1${PATH}`;
  const tags = [["u", url], ["method", "POST"]];
  const proof = await signer().signEvent({ kind: 27235, created_at: now(), tags, content: "" });
  const encoded = btoa(String.fromCharCode(...new TextEncoder().encode(JSON.stringify(proof))));
  const { api_key, id, name } = await api("POST", PATH, undefined, { authorization: `Nostr ${encoded}` });
  signIn(api_key, id, name);
  await learn();
}
