// The API keys of one's account, which the relay lists without their texts: made, changed, ended.

import { toast, words } from "./act.js";
import { api } from "./api.js";
import { action, element } from "./dom.js";
import { checkStorage } from "./joining.js";
import { me, signIn } from "./me.js";

const at = (id) => document.getElementById(id);
const section = at("tokens");
const fail = (said) => { section.querySelector(".trouble").textContent = said; };
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const day = (text) => DAY.format(new Date(text));

function row(token) {
  const said = `${token.name ?? "without a name"} · since ${day(token.created_at)}${token.last_used_at ? `, used ${day(token.last_used_at)}` : ""}${token.expires_at ? `, until ${day(token.expires_at)}` : ""} `;
  const item = element("li", "", {}, element("span", said, { dir: "auto" }));
  if (token.current) item.append(element("span", "this browser", { className: "tag" }), " ");
  else item.append(element("span", "", { className: "tools" }, action("Revoke", async () => {
    await api("DELETE", `/agents/me/tokens/${token.id}`);
    await show();
  }, fail)));
  return item;
}

let turn = 0; // of the newest list: an older one comes too late

export async function show() {
  const mine = ++turn;
  const { tokens } = await api("GET", "/agents/me/tokens");
  const live = tokens.filter((token) => token.live);
  if (mine === turn) at("token-list").replaceChildren(...live.map(row));
  return live;
}

at("token-form").addEventListener("submit", async (submit) => {
  submit.preventDefault();
  fail("");
  try {
    const name = at("token-name").value.trim();
    const { api_key } = await api("POST", "/agents/me/tokens", name ? { name } : {});
    at("made-token").firstElementChild.textContent = api_key;
    at("made").hidden = false;
    at("made").focus();
    at("token-form").reset();
    await show();
  } catch (error) {
    fail(words(error));
  }
});

// A new one in place of this browser's, which is called as that was and ends when that would have. It is made and kept first, and
// the one before is ended with it: whichever answer gets lost, this browser has a key that is good.
async function change() {
  checkStorage();
  const { tokens } = await api("GET", "/agents/me/tokens");
  const { id, name, expires_at } = tokens.find((token) => token.current);
  const { api_key } = await api("POST", "/agents/me/tokens", { name, expires_at });
  signIn(api_key, me.id, me.name);
  await api("DELETE", `/agents/me/tokens/${id}`).catch(() => null); // what is still there is in the list, to be revoked
  const left = await show();
  if (left.some((token) => token.id === id)) fail("This browser has a new key. The one before it is still good: revoke it in the list.");
  else toast("This browser has a new API key; the one before it is ended.");
}

at("rotate").addEventListener("click", async ({ target }) => {
  fail("");
  target.disabled = true;
  try {
    await change();
  } catch (error) {
    fail(words(error));
  }
  target.disabled = false;
});
