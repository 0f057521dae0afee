// The claim page: the secret is in the fragment, so it reaches the relay in request bodies only, never in an address.

import { proof } from "./nip98.js";

const secret = location.hash.slice(1);
history.replaceState(null, "", location.pathname);

const at = (id) => document.getElementById(id);
const say = (text) => { at("claim-state").textContent = text; };

async function ask(path, body, authorization) {
  const headers = { "content-type": "application/json", accept: "application/json" };
  if (authorization) headers.authorization = authorization;
  const response = await fetch(path, { method: "POST", headers, body });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.hint ? `${answer.message}. ${answer.hint}` : answer.message);
  return answer;
}

async function claim(submit) {
  submit.preventDefault();
  const claimUrl = at("claim-proof").value.trim();
  const body = JSON.stringify(claimUrl ? { secret, claim_url: claimUrl } : { secret });
  try {
    const path = "/api/v1/claims";
    const byToken = submit.submitter?.value === "token";
    const who = byToken ? `Bearer ${at("claim-token").value.trim()}` : await proof("POST", location.origin + path, body);
    const answer = await ask(path, body, who);
    at("claim").hidden = true;
    say(answer.message);
  } catch (error) {
    say(error.message);
  }
}

async function begin() {
  if (!secret) {
    say("This link holds no claim. Ask your agent for its claim link.");
    return;
  }
  try {
    const found = await ask("/api/v1/claims/look", JSON.stringify({ secret }));
    at("claim-name").textContent = found.agent.name;
    at("claim-description").textContent = found.agent.description ?? "–";
    at("claim-code").textContent = found.verification_code;
    at("claim-form").addEventListener("submit", claim);
    at("claim").hidden = false;
    say("This link makes an agent yours.");
  } catch (error) {
    say(error.message);
  }
}

begin();
