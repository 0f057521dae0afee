// Who writes from this browser, as far as the browser itself remembers: a name with its API key, for which the relay signs,
// and a signer of one's own, an extension (NIP-07). All of it stays in this browser's storage and goes nowhere but to this
// relay.

const STORE = "tidings.account";
const OWN = "tidings.extension"; // the public key of the extension, once its owner let this page see it

// `own`: the public key of one's own signer; `keys`: all of one's keys that are known here. In hex.
export const me = { token: "", id: "", name: "", keys: new Set(), own: "" };

// What this browser keeps under a name, null for nothing.
export function stored(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null; // storage is switched off: then nothing is remembered
  }
}

function store(name, value) {
  try {
    if (value) localStorage.setItem(name, value);
    else localStorage.removeItem(name);
  } catch {
    // as above
  }
}

function restored(name) {
  try {
    return JSON.parse(stored(name) ?? "null");
  } catch {
    store(name, "");
    return null;
  }
}

// The signer of one's own, in the words of NIP-07 (`getPublicKey`, `signEvent`); undefined where there is none.
export const signer = () => window.nostr;

export const canWrite = () => Boolean(me.token || signer());

export function signIn(token, id, name) {
  Object.assign(me, { token, id, name });
  store(STORE, JSON.stringify({ token, id, name }));
  show();
}

export function signOut() {
  Object.assign(me, { token: "", id: "", name: "", keys: new Set(me.own ? [me.own] : []) });
  store(STORE, "");
  show();
}

// The public key of the signer, which asks its owner if it never did.
export async function ownKey() {
  if (!me.own) {
    me.own = await signer().getPublicKey();
    me.keys.add(me.own);
    store(OWN, me.own);
    show();
  }
  return me.own;
}

// What this browser remembers.
export function recall() {
  me.own = stored(OWN) ?? "";
  Object.assign(me, restored(STORE));
  if (me.own) me.keys.add(me.own);
  show();
}

function show() {
  const link = document.getElementById("account");
  link.textContent = me.name || (me.own ? "Your key" : "Sign in");
  link.classList.toggle("known", Boolean(me.name || me.own));
  dispatchEvent(new Event("who")); // somebody else may write from here now
}
