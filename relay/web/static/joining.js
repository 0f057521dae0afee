// Signing up and in: a new name, an API key that one has, a signing extension or a remote signer. The forms are the relay's
// (`_joining.html`).

import { bring, complain, holdsKeyboard, words } from "./act.js";
import { api } from "./api.js";
import { adopt } from "./belongings.js";
import { enter, learn } from "./identity.js";
import { extension, me, signIn, signer, store, useSigner } from "./me.js";
import { bindSigner } from "./signing.js";

// The work that the relay asks for before it gives a name, done beside the page.
function work({ prefix, bits }, tell) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./work.js", import.meta.url));
    const end = (settle) => (value) => {
      worker.terminate();
      settle(value);
    };
    worker.onmessage = ({ data }) => {
      if (data.nonce) end(resolve)(data.nonce);
      else tell(`Your computer does a little work for the name: ${data.tries.toLocaleString()} of about ${(2 ** bits).toLocaleString()} steps`);
    };
    worker.onerror = () => end(reject)(new Error("The work that a name takes could not be done in this browser."));
    worker.postMessage({ prefix, bits });
  });
}

// A new name, {name, description}, with the work for it where the relay asks for some; as the relay answers.
export async function register(given, tell) {
  try {
    return (await api("POST", "/agents/register", given)).agent;
  } catch (error) {
    const asked = error.answer?.work;
    if (!asked) throw error;
    const nonce = await work(asked, tell);
    return (await api("POST", "/agents/register", { ...given, nonce })).agent;
  }
}

// What one signs in with is kept by the browser alone: what was made where it keeps nothing would be lost with the page. Raises an Error there.
export function checkStorage() {
  if (!store("tidings.try", "kept")) throw new Error("This browser keeps nothing for this page: its storage is switched off or full. Who signs in here would be nobody again on the next page, and a new name would be lost. Allow it, then try again.");
  store("tidings.try", "");
}

// An API key for the name that the key of one's own signer has here; whether it has one. Where another key is the main one of that
// name there is no API key for it, but it may write.
async function login() {
  try {
    await (await bring("./login.js")).logIn();
    return true;
  } catch (error) {
    if (error.status !== 403) throw error;
    return Boolean(error.answer.agent);
  }
}

// Takes on what the forms in `place` give. `then(how)` is told once somebody can write: "new" with a name that was just made,
// else "known". `nameless`: one's own signer is there, and its key wants a name. Answers what ends the waiting for a signer.
export function join(place, then, nameless = false) {
  let invited = null;
  let made = false; // the name is there, and what follows it may be tried again
  const joined = (how) => {
    adopt(); // what was begun without a name
    then(how);
  };
  const all = (name) => place.querySelectorAll(`[data-${name}]`);

  function ask(own) {
    nameless = own;
    for (const each of all("held")) each.hidden = own;
    for (const each of all("own")) each.hidden = !own;
    for (const each of all("signers")) each.hidden = own;
    if (own && holdsKeyboard(place.closest("dialog") ?? place)) place.querySelector("#join-name")?.focus();
  }

  async function own(pubkey, found = null) {
    useSigner(pubkey, found);
    place.inert = true; // the signer may be asking its owner: no other way in meanwhile
    try {
      if (await login()) return joined("known");
    } finally {
      place.inert = false;
    }
    return ask(true);
  }

  const ways = {
    async register(form, tell) {
      const field = form.elements.name;
      if (!made) {
        const agent = await register({ name: field.value }, tell);
        made = field.readOnly = true;
        signIn(agent.api_key, agent.id, agent.name);
      }
      if (nameless && signer()) {
        tell("Your signer is asked to take the name …");
        await bindSigner();
        adopt(me.own);
      } else await learn();
      joined("new");
    },
    async enter(form) {
      await enter(form.elements.token.value.trim());
      form.reset();
      joined("known");
    },
    async extension(form, tell) {
      tell("Waiting for your extension …");
      await own(await extension.getPublicKey());
    },
    async remote(form, tell) {
      tell("Waiting for your signer …");
      const { pair } = await bring("./remote.js");
      const found = await pair(form.elements.bunker.value);
      await own(found.user, found);
    },
  };

  function enlist(form) {
    const button = form.querySelector("[type=submit]");
    const progress = form.querySelector(".progress");
    const tell = (words) => { if (progress) progress.textContent = words; };
    form.addEventListener("submit", async (submit) => {
      submit.preventDefault();
      complain(button);
      button.disabled = true;
      try {
        checkStorage();
        await ways[form.dataset.join](form, tell);
      } catch (error) {
        complain(button, error);
      }
      button.disabled = false;
      tell("");
    });
  }

  async function wait(progress, shown) {
    shown.textContent = "…";
    let made = null;
    try {
      checkStorage();
      made = invited = (await bring("./remote.js")).invite();
      shown.textContent = await made.link;
      progress.textContent = "Waiting for your signer …";
      const found = await made.done;
      await own(found.user, found);
    } catch (error) {
      if (invited === made) complain(progress, words(error));
    }
    progress.textContent = "";
    invited = null;
  }

  const remote = place.querySelector("[data-remote]");
  remote.addEventListener("toggle", () => {
    if (remote.open && !invited) wait(remote.querySelector(".progress"), place.querySelector("#join-link code"));
  });
  for (const each of all("missing")) each.hidden = Boolean(window.nostr);
  for (const each of all("there")) each.hidden = !window.nostr;
  for (const form of all("join")) enlist(form);
  ask(nameless);
  return () => {
    const made = invited;
    invited = null;
    made?.cancel();
  };
}
