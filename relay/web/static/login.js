// Signing in with nothing but a signer of one's own: a proof of its key (NIP-98) for a token with which this browser reads what is
// one's own. Its owner is asked once; what is written is signed each time, as always.

import { api } from "./api.js";
import { learn } from "./identity.js";
import { ownKey, signIn } from "./me.js";
import { proof } from "./nip98.js";

const PATH = "/agents/login";

export async function logIn() {
  await ownKey();
  const authorization = await proof("POST", `${location.origin}/api/v1${PATH}`);
  const { api_key, id, name } = await api("POST", PATH, undefined, { authorization });
  signIn(api_key, id, name);
  await learn();
}
