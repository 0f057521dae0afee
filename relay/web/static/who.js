// Who the reader is: `me`, known once `ready()` is done; `needWriter` sees to a name where an action needs one.

import { canWrite, me, recall } from "./me.js";

export { canWrite, me };

let known;

// What this browser remembers and what the relay says of it, once. Never asks a signer: that may bother its owner.
export function ready() {
  if (!known) {
    recall();
    known = me.token ? import("./identity.js").then(({ learn }) => learn()) : Promise.resolve();
  }
  return known;
}

// Does `then` where somebody can write from here, and leads to a name where nobody can. Answers what `then` gives.
export async function needWriter(then) {
  if (canWrite()) return then();
  location.href = "/key";
  return undefined;
}
