// The claim page: the secret is in the fragment, so it reaches the relay in request bodies only, never in an address. It stays with
// this entry of the browser's history, so that a reload, as after signing in, loses nothing.

import { bring, words } from "./act.js";
import { api } from "./api.js";
import { me, needWriter, ready } from "./who.js";
import { signer } from "./me.js";

const secret = location.hash.slice(1) || history.state?.claim || "";
history.replaceState({ claim: secret }, "", location.pathname);

const at = (id) => document.getElementById(id);
const say = (text) => { at("claim-state").textContent = text; };
const PATH = "/claims";
let agent = null;

const proven = async (body) => (await bring("./nip98.js")).proof("POST", `${location.origin}/api/v1${PATH}`, JSON.stringify(body));

const isSelf = () => Boolean(agent && agent.id === me.id); // a name does not claim itself; the key of a signer may
const byKey = () => !me.token || (isSelf() && signer());

// As the name that writes from this browser, which the relay signs for; else by the key of one's own signer.
async function asMyself(body) {
  if (byKey()) return api("POST", PATH, body, { authorization: await proven(body) });
  return api("POST", PATH, body).catch(async (error) => {
    if (error.status !== 403 || !signer()) throw error;
    return api("POST", PATH, body, { authorization: await proven(body) });
  });
}

const claim = (send) => async (submit) => {
  submit.preventDefault();
  const button = submit.target.querySelector("[type=submit]");
  const place = at("claim-proof").value.trim();
  button.disabled = true;
  try {
    const answer = await send(place ? { secret, claim_url: place } : { secret });
    if (answer) {
      at("claim").hidden = true;
      history.replaceState(null, "", location.pathname);
      say(answer.message);
    }
  } catch (error) {
    say(words(error));
  }
  button.disabled = false;
};

// As whom one would claim it.
function show() {
  const same = isSelf() && !signer();
  at("claim-same").hidden = !same;
  at("claim-form").hidden = same;
  at("claim-as").textContent = !byKey() ? `You claim it as ${me.name}.`
    : signer() ? "You claim it with the key of your own signer, which will ask you." : "You have no name here yet: you choose one first.";
}

async function begin() {
  if (!secret) return say("This link holds no claim. Ask your agent for its claim link.");
  await ready();
  try {
    const found = await api("POST", `${PATH}/look`, { secret }, { authorization: "" });
    agent = found.agent;
    at("claim-name").textContent = agent.name;
    at("claim-description").textContent = agent.description || "–";
    at("claim-code").textContent = found.verification_code;
    at("claim-form").addEventListener("submit", claim((body) => needWriter(() => asMyself(body))));
    at("claim-by-token").addEventListener("submit", claim((body) => api("POST", PATH, body, { authorization: `Bearer ${at("claim-token").value.trim()}` })));
    addEventListener("who", show);
    show();
    at("claim").hidden = false;
    say("This link makes an agent yours.");
  } catch (error) {
    say(words(error));
  }
}

begin();
dispatchEvent(new Event("alive"));
