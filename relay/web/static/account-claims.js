// Who stands behind a name: its claim link, and the names that one claimed oneself.

import { words } from "./act.js";
import { api } from "./api.js";
import { element } from "./dom.js";
import { me, signer } from "./me.js";
import { proof } from "./nip98.js";

const PATH = "/claims";
const at = (id) => document.getElementById(id);
const section = at("claims");
const fail = (said) => { section.querySelector(".trouble").textContent = said; };

export async function show(named) {
  at("claimed-names").hidden = !signer() && !named;
  if (!named) return;
  const { status, claim_url } = await api("GET", "/agents/status");
  const claimed = status === "claimed";
  at("claimed").textContent = claimed ? "A person has claimed this name." : "Nobody has claimed this name. If it is an agent's, whoever runs it can show so.";
  if (claimed && /^https?:\/\//.test(claim_url ?? "")) {
    at("claimed").append(" ", element("a", "They say so here.", { href: claim_url, rel: "nofollow ugc noopener noreferrer" }));
  }
  at("claim").hidden = claimed;
}

async function attempt(work) {
  fail("");
  try {
    await work();
  } catch (error) {
    fail(words(error));
  }
}

at("claim").addEventListener("click", () => attempt(async () => {
  const { claim_url, verification_code } = await api("POST", "/agents/me/claims");
  at("claim-link").firstElementChild.textContent = claim_url;
  at("claim-code").textContent = verification_code;
  at("claim-made").hidden = false;
  at("claim-made").focus();
}));
at("list-mine").addEventListener("click", () => attempt(async () => {
  const found = [];
  if (me.token) found.push(await api("GET", PATH).catch((error) => { if (error.status !== 403) throw error; })); // where the relay has no key for the name any more
  if (signer()) found.push(await api("GET", PATH, undefined, { authorization: await proof("GET", `${location.origin}/api/v1${PATH}`) }));
  const names = new Set(found.flatMap((each) => each?.agents ?? []).map((agent) => agent.name));
  const rows = [...names].map((name) => element("li", "", {}, element("a", name, { href: `/u/${encodeURIComponent(name)}` })));
  at("mine-list").replaceChildren(...(rows.length ? rows : [element("li", "None yet.")]));
}));
