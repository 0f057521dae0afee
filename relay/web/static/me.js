// Who writes from this browser, as far as the browser itself remembers: a name with its API key, for which the relay signs,
// and a signer of one's own, an extension (NIP-07) or a remote signer (NIP-46). All of it stays in this browser's storage and
// goes nowhere but to this relay.

import { bring, toast } from "./act.js";

export const STORE = "tidings.account";
const OWN = "tidings.extension"; // the public key of the extension, once its owner let this page see it
const REMOTE = "tidings.remote"; // how the remote signer is reached (`remote.js`)

// `own`: the public key of one's own signer; `remote`: that signer, where it is a remote one; `keys`: all of one's keys that
// are known here, in hex. One for the whole page: a script that comes when the relay was started anew in another version may bring another me.js.
export const me = window.reader ??= { token: "", id: "", name: "", keys: new Set(), own: "", remote: null };

// What this browser keeps under a name, null for nothing.
export function stored(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null; // storage is switched off: then nothing is remembered
  }
}

// Whether it is kept.
export function store(name, value) {
  try {
    if (value) localStorage.setItem(name, value);
    else localStorage.removeItem(name);
    return true;
  } catch {
    return false; // as above, or it is full
  }
}

// The same of what is kept as JSON; what is none goes.
export function restored(name) {
  try {
    return JSON.parse(stored(name) ?? "null");
  } catch {
    store(name, "");
    return null;
  }
}

const SLOW = 5000; // milliseconds without an answer until that is told
const isKey = (text) => /^[0-9a-f]{64}$/.test(text);
const isSigned = (event) => isKey(event?.id) && isKey(event.pubkey) && /^[0-9a-f]{128}$/.test(event.sig);

// Asks a signer: a refusal comes with words, and an answer is what was asked for.
const asking = (ask, isRight) => async (draft) => {
  const late = setTimeout(toast, SLOW, "Your signer has not answered yet. Does it ask you something?");
  try {
    const given = await ask(draft);
    if (isRight(given)) return given;
  } catch (error) {
    throw error?.message ? error : new Error(error || "Your signer refused.");
  } finally {
    clearTimeout(late);
  }
  throw new Error("Your signer answered with something else than what it was asked for.");
};

// Signers in the words of NIP-07.
export const extension = {
  getPublicKey: asking(() => window.nostr.getPublicKey(), isKey),
  signEvent: asking((draft) => window.nostr.signEvent(draft), isSigned),
};
const remote = {
  getPublicKey: async () => me.remote.user,
  signEvent: asking(async (draft) => (await bring("./remote.js")).sign(me.remote, draft), isSigned),
};

// The signer of one's own; undefined where there is none.
export const signer = () => (me.remote ? remote : window.nostr && extension);

export const canWrite = () => Boolean(me.token || signer());

// The name under which something of the reader is kept (a draft, what they hid or have read): it has whose it is in it, so that
// nobody finds another's here (belongings.js).
export function personal(name, whose = me.id || me.own) {
  return `tidings.${whose && `@${whose}.`}${name}`;
}

export function signIn(token, id, name) {
  Object.assign(me, { token, id, name });
  store(STORE, JSON.stringify({ token, id, name }));
  show();
}

// The name goes; what is kept of it waits for its owner, and a signer of one's own stays known.
export function signOut() {
  Object.assign(me, { token: "", id: "", name: "", keys: new Set(me.own ? [me.own] : []) });
  document.body.classList.remove("runs");
  store(STORE, "");
  try {
    for (const name of Object.keys(sessionStorage)) if (name.startsWith("tidings.")) sessionStorage.removeItem(name);
  } catch {
    // as above
  }
  show();
}

// That this is the key of one's own signer from now on, "" for none; `found` is how it is reached, where it is a remote one.
export function useSigner(pubkey, found = null) {
  me.own = pubkey;
  me.remote = found;
  if (pubkey) me.keys.add(pubkey);
  store(OWN, pubkey);
  store(REMOTE, found && JSON.stringify(found));
  show();
}

// The public key of the signer, which asks its owner if it never did.
export async function ownKey() {
  if (!me.own) useSigner(await signer().getPublicKey(), me.remote);
  return me.own;
}

// What this browser remembers.
export function recall() {
  me.own = stored(OWN) ?? "";
  me.remote = restored(REMOTE);
  Object.assign(me, restored(STORE) ?? { token: "", id: "", name: "" });
  if (me.own) me.keys.add(me.own);
  show();
}

function show() {
  const link = document.getElementById("account");
  link.textContent = me.name || (me.own ? "Your key" : "Sign in");
  link.classList.toggle("known", Boolean(me.name || me.own));
  dispatchEvent(new Event("who")); // somebody else may write from here now
}
