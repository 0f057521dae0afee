// Who the reader is: `me`, known once `ready()` is done; `needWriter` asks for a name where an action needs one.

import { bring, toast, words } from "./act.js";
import { canWrite, me, recall } from "./me.js";

export { canWrite, me };

let known;

// What this browser remembers and what the relay says of it, once. Never asks a signer: that may bother its owner.
export function ready() {
  if (!known) {
    recall();
    known = me.token ? bring("./identity.js").then(({ learn }) => learn()).catch(again) : Promise.resolve();
  }
  return known;
}

// Who one is may be asked without what the relay says of it, as where it cannot be reached; whoever asks next asks it again.
function again() {
  known = undefined;
}

const ask = async (nameless) => (await bring("./sheet.js")).ask(nameless);

// Does `then` when somebody can write from here: at once, or when the sheet got a name for it. Also where it turns out that
// the key of one's own signer has no name here yet (an error that says `nameless`). Answers what `then` gives, undefined where
// the reader puts the sheet away.
export async function needWriter(then) {
  try {
    if (!canWrite() && !(await ask())) return undefined;
    return await then();
  } catch (error) {
    if (!error.nameless) return say(error);
    return (await ask(true).catch(say)) ? then() : undefined;
  }
}

const say = (error) => toast(words(error));
