// The API keys of one's account, which the relay lists without their texts: made, changed, ended.

import { api } from "./api.js";
import { action, element } from "./dom.js";
import { me, signIn } from "./me.js";

const at = (id) => document.getElementById(id);
const section = at("tokens");
const fail = (words) => { section.querySelector(".trouble").textContent = words; };
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

export async function show() {
  const { tokens } = await api("GET", "/agents/me/tokens");
  at("token-list").replaceChildren(...tokens.filter((token) => token.live).map(row));
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
    fail(error.message);
  }
});

// A new one in place of this browser's, which ends at once.
at("rotate").addEventListener("click", async () => {
  fail("");
  try {
    const { api_key } = await api("POST", "/agents/me/tokens/rotate", {});
    signIn(api_key, me.id, me.name);
    await show();
  } catch (error) {
    fail(error.message);
  }
});
