// Signing in with nothing but a signer of one's own: a proof of its key (NIP-98) for a token with which this browser reads what is
// one's own. Its owner is asked once; what is written is signed each time, as always.

import { api } from "./api.js";
import { adopt } from "./belongings.js";
import { learn } from "./identity.js";
import { me, ownKey, signIn } from "./me.js";
import { proof } from "./nip98.js";

const PATH = "/agents/login";

// An error says `nameless` where the key has no name here yet.
export async function logIn() {
  await ownKey();
  const authorization = await proof("POST", `${location.origin}/api/v1${PATH}`);
  const { api_key, id, name } = await api("POST", PATH, undefined, { authorization }).catch((error) => {
    if (error.status !== 403) throw error;
    const { agent } = error.answer;
    if (agent) error.message = `Your key writes as ${agent}, whose main key is another. Sign in with an API key of ${agent}; its account page lets this key sign.`;
    throw Object.assign(error, { nameless: !agent });
  });
  signIn(api_key, id, name);
  adopt(me.own);
  await learn();
}
