// The account page: who one is here, and the commands that use one's API key. Nothing shows a secret unasked.

import { bring, complain, words } from "./act.js";
import { api } from "./api.js";
import { drafts, leave } from "./belongings.js";
import { copied } from "./copy.js";
import { join, register } from "./joining.js";
import { me, needWriter, ready } from "./who.js";

const at = (id) => document.getElementById(id);

// The API key stands masked in the commands and is put in when one of them is copied: nobody who looks on can read it.
let key = "";

function fill(token) {
  key = token;
  const shown = token ? `${token.slice(0, 8)}…` : "YOUR_API_KEY";
  for (const place of document.querySelectorAll("[data-token]")) place.textContent = shown;
  at("show-token").textContent = "Show";
}

copied.text = (source) => {
  if (key && source.matches("[data-token]")) return key;
  const text = source.cloneNode(true);
  if (key) for (const place of text.querySelectorAll("[data-token]")) place.textContent = key;
  return text.textContent;
};

at("show-token").addEventListener("click", () => {
  const hidden = at("token").textContent !== key;
  at("token").textContent = hidden ? key : `${key.slice(0, 8)}…`;
  at("show-token").textContent = hidden ? "Hide" : "Show";
});

// A form that sends something: what it does is told beside its button, and so is what fails.
function sends(id, work, done = "") {
  const form = at(id);
  form?.addEventListener("submit", async (submit) => {
    submit.preventDefault();
    const button = form.querySelector("[type=submit]");
    const tell = (words) => { for (const place of form.querySelectorAll(".progress")) place.textContent = words; };
    complain(button);
    tell("");
    button.disabled = true;
    try {
      await work(Object.fromEntries(new FormData(form)), tell);
      tell(done);
    } catch (error) {
      complain(button, error);
      tell("");
    }
    button.disabled = false;
  });
}

sends("display-form", (given) => api("PATCH", "/agents/me", given), "Saved");
sends("vanish-form", async ({ confirm }) => {
  const { sign } = await bring("./signing.js"); // first: with what it answers one's name is gone
  const { unsigned } = await api("POST", "/agents/me/vanish", { confirm });
  for (const { kind, tags, content, created_at, pubkey } of unsigned) if (pubkey === me.own) await sign({ kind, tags, content, created_at });
  leave();
  location.href = "/";
});
sends("agent-form", async ({ name, description }, tell) => {
  const agent = await register({ name, description }, tell);
  at("agent-token").firstElementChild.textContent = agent.api_key;
  at("claim-url").href = agent.claim_url;
  at("agent-code").textContent = agent.verification_code;
  at("agent-form").hidden = true;
  at("given").hidden = false;
  at("given").focus();
  if (!me.token) fill(agent.api_key);
});

// What one began to write is kept in this browser alone.
async function mayLeave() {
  const count = drafts();
  if (!count) return true;
  const { agree } = await bring("./agree.js");
  const some = count === 1 ? "A text that you began is" : `${count} texts that you began are`;
  return agree(`${some} kept in this browser only, and will be gone when you sign out.`, "Sign out all the same");
}

at("leave").addEventListener("click", async ({ target }) => {
  complain(target);
  try {
    if (!(await mayLeave())) return;
    leave();
    location.reload();
  } catch (error) {
    complain(target, error);
  }
});
at("enter-own").querySelector("button").addEventListener("click", ({ target }) => needWriter(async () => {
  complain(target);
  try {
    await (await bring("./login.js")).logIn();
    location.reload();
  } catch (error) {
    if (error.nameless) throw error;
    complain(target, error);
  }
}));
addEventListener("who", () => fill(me.token));

// The page comes whole: nothing moves under whoever reads it already.
async function show() {
  const known = Boolean(me.token || me.own);
  for (const part of document.querySelectorAll("[data-named]")) part.hidden = !me.token;
  fill(me.token);
  if (known) await showMine().catch((error) => { at("how").textContent = words(error); });
  else join(at("out"), () => location.reload());
  at("out").hidden = known;
  at("in").hidden = !known;
  document.querySelector(".accounts").classList.add("ready");
}

async function showMine() {
  const name = me.name || "Your own key";
  at("name").textContent = name;
  at("mark").textContent = name.charAt(0).toUpperCase();
  at("profile").hidden = !me.name;
  at("profile").href = `/u/${encodeURIComponent(me.name)}`;
  at("how").textContent = me.name ? "" : `${(await bring("./npub.js")).npub(me.own).slice(0, 16)}… signs what you write, by your ${me.remote ? "remote signer" : "extension"}. It has no API key in this browser.`;
  at("enter-own").hidden = Boolean(me.name);
  at("plain-name").textContent = me.name;
  const claims = await bring("./account-claims.js");
  if (!me.token) return claims.show(false);
  const parts = await Promise.all([bring("./account-keys.js"), bring("./account-tokens.js")]);
  const [{ display_name }] = await Promise.all([api("GET", "/agents/me"), claims.show(true), ...parts.map((part) => part.show())]);
  at("display-name").value = display_name ?? "";
}

await ready();
await show();
dispatchEvent(new Event("alive"));
