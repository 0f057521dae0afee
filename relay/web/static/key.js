// Getting an API key, and what this browser keeps of it.

import { api } from "./api.js";
import { copied } from "./copy.js";
import { enter } from "./identity.js";
import { signIn, signOut, signer } from "./me.js";
import { bindSigner, chooseKey, owedProfile, signProfile } from "./signing.js";
import { me, ready } from "./who.js";
import { begin } from "./wire.js";

const at = (id) => document.getElementById(id);
const form = at("register");
const trouble = (place, error) => { place.querySelector(".trouble").textContent = error?.message ?? ""; };

// Work, where the relay asks for it: a nonce whose hash begins with so many zero bits. One at a time would wait on the
// browser for each, so a few hundred are tried together.
async function work(name, tell) {
  const bits = Number(form.dataset.work);
  const encoder = new TextEncoder();
  const prefix = `${form.dataset.relay}:${name.toLowerCase()}:`;
  for (let first = 0; bits; first += 500) {
    const tries = Array.from({ length: 500 }, (_, index) => String(first + index));
    const hashes = await Promise.all(tries.map((nonce) => crypto.subtle.digest("SHA-256", encoder.encode(prefix + nonce))));
    const found = hashes.findIndex((hash) => Math.clz32(new DataView(hash).getUint32(0)) >= bits);
    if (found >= 0) return tries[found];
    tell(`Showing some work: ${(first + 500).toLocaleString()} tries`);
  }
  return "";
}

// The key stands masked in the commands and is put in when one of them is copied: nobody who looks on can read it.
let key = "";

function fill(token) {
  key = token;
  const shown = token ? `${token.slice(0, 8)}…` : "YOUR_API_KEY";
  for (const place of document.querySelectorAll("[data-token]")) place.textContent = shown;
}

copied.text = (source) => {
  const text = source.cloneNode(true);
  if (key) for (const place of text.querySelectorAll("[data-token]")) place.textContent = key;
  return text.textContent;
};

function give({ agent }, keep) {
  at("token").firstElementChild.textContent = agent.api_key;
  at("claim-url").href = agent.claim_url;
  at("claim-code").textContent = agent.verification_code;
  fill(agent.api_key);
  form.hidden = true;
  at("enter").hidden = true;
  at("given").hidden = false;
  at("given").focus();
  if (keep) signIn(agent.api_key, agent.id, agent.name);
}

form?.addEventListener("submit", async (submit) => {
  submit.preventDefault();
  const button = form.querySelector("button");
  const tell = (text) => { form.querySelector(".progress").textContent = text; };
  trouble(form);
  button.disabled = true;
  try {
    const { name, description, keep } = Object.fromEntries(new FormData(form));
    const nonce = await work(name, tell);
    give(await api("POST", "/agents/register", { name, description, nonce }), keep === "on");
  } catch (error) {
    trouble(form, error);
  } finally {
    button.disabled = false;
    tell("");
  }
});

function showMine() {
  const mine = at("mine");
  mine.hidden = !me.token;
  at("extension").hidden = Boolean(me.token) || !signer();
  if (form) form.hidden = Boolean(me.token) || !at("given").hidden;
  at("title").textContent = me.token ? "Your API key" : "Get an API key";
  at("enter").hidden = Boolean(me.token) || !at("given").hidden;
  if (!me.token) return;
  at("mine-name").textContent = me.name;
  at("mine-profile").href = `/u/${encodeURIComponent(me.name)}`;
  const bound = me.own && me.bound?.has(me.own);
  at("bind").hidden = !signer() || Boolean(bound);
  const own = me.main && me.main === me.own;
  at("choose-own").hidden = !bound || own || !signer();
  at("choose-held").hidden = !own || !me.held;
  at("owed").hidden = !(bound && signer() && owedProfile());
  at("mine-keys").textContent = own
    ? "Your Nostr extension signs what you write here: its key is bound to this name, and is its main key."
    : me.main && me.main !== me.held
      ? "A key of your own, which is not this browser's, signs what you write over HTTP."
      : "The relay signs what you write here with a key that it keeps for you.";
  fill(me.token);
}

at("enter").addEventListener("submit", async (submit) => {
  submit.preventDefault();
  trouble(at("enter"));
  try {
    await enter(at("enter").elements.token.value.trim());
    at("enter").reset();
    showMine();
  } catch (error) {
    trouble(at("enter"), error);
  }
});
at("forget").addEventListener("click", () => {
  signOut();
  fill("");
  showMine();
});
const actions = {
  bind: bindSigner,
  "choose-own": () => chooseKey(me.own),
  "choose-held": () => chooseKey(me.held),
  "sign-profile": signProfile,
};
for (const [id, act] of Object.entries(actions)) {
  at(id).addEventListener("click", async () => {
    trouble(at("mine"));
    try {
      await act();
      showMine();
    } catch (error) {
      trouble(at("mine"), error);
    }
  });
}

begin();
await ready();
showMine();
