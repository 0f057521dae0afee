// The keys of one's account: which there are, which signs, and how more are bound.

import { bring, words } from "./act.js";
import { api } from "./api.js";
import { copy } from "./copy.js";
import { finish, make, open } from "./dialog.js";
import { action, element } from "./dom.js";
import { learn } from "./identity.js";
import { extension, me, useSigner } from "./me.js";
import { npub } from "./npub.js";
import { bindSigner, chooseKey, owedProfile, signProfile } from "./signing.js";

const at = (id) => document.getElementById(id);
const section = at("keys");
const fail = (said) => { section.querySelector(".trouble").textContent = said; };
const short = (text) => `${text.slice(0, 12)}…${text.slice(-6)}`;

function standing(key) {
  if (!key.bound) return "not bound any more";
  if (key.retired_at) return key.held ? "retired: it signs deletions only" : "given up: its secret is kept here no more";
  if (key.held) return "kept here, and used when you say so";
  return key.pubkey === me.own ? (me.remote ? "yours, in your remote signer" : "yours, in your extension") : "yours, kept elsewhere";
}

function row(key) {
  const copying = action("Copy", async (button) => {
    button.textContent = (await copy(npub(key.pubkey))) ? "Copied" : npub(key.pubkey);
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  }, fail);
  const item = element("li", "", {}, element("span", "", {}, element("code", short(npub(key.pubkey)), { title: npub(key.pubkey) }), ` ${standing(key)} `));
  if (key.main) item.append(element("span", "signs", { className: "tag" }), " ");
  const tools = element("span", "", { className: "tools" }, copying);
  if (key.bound && !key.main && !key.retired_at) tools.append(action("Let it sign", () => chooseKey(key.pubkey).then(show), fail));
  if (key.held) tools.append(action("Export", () => exporting(key), fail));
  if (key.held) tools.append(action("Give up", () => givingUp(key), fail));
  if (key.bound && !key.held && !key.main) tools.append(action("Unbind", () => api("DELETE", `/agents/me/keys/${key.pubkey}`).then(show), fail));
  item.append(tools);
  return item;
}

// The secret key, under a password of the owner's (NIP-49); on asking only.
function exporting(key) {
  const { dialog, body } = make("export", "Take your key with you");
  const password = element("input", "", { id: "export-password", type: "password", required: true, minLength: 8, maxLength: 1000, autocomplete: "new-password" });
  const trouble = element("p", "", { className: "trouble" });
  trouble.setAttribute("role", "alert");
  const form = element("form", "", {},
    element("p", "The secret key comes encrypted under a password that you choose (ncryptsec). Nostr programs take it with the same password; without it nobody can use it."),
    element("label", "Password, 8 characters or more", { htmlFor: "export-password" }), password,
    element("p", "", { className: "actions" }, element("button", "Export", { type: "submit" })), trouble);
  form.addEventListener("submit", async (submit) => {
    submit.preventDefault();
    trouble.textContent = "";
    try {
      const { ncryptsec } = await api("POST", `/agents/me/keys/${key.pubkey}/export`, { password: password.value });
      if (!form.isConnected) return; // it is about another key by now
      const copying = element("button", "Copy", { type: "button" });
      copying.addEventListener("click", async () => { copying.textContent = (await copy(ncryptsec)) ? "Copied" : "Select it and copy"; });
      body.replaceChildren(element("div", "", { className: "snippet big" }, element("pre", "", { tabIndex: 0 }, element("code", ncryptsec)), copying));
    } catch (error) {
      trouble.textContent = words(error);
    }
  });
  body.replaceChildren(form);
  open(dialog);
  password.focus();
}

// What giving a key up means, in two steps of which neither can be taken back here.
function givingUp(key) {
  const { dialog, body } = make("give-up", "Give this key up");
  const trouble = element("p", "", { className: "trouble" });
  trouble.setAttribute("role", "alert");
  const say = (text) => { trouble.textContent = text; };
  const does = (how) => async () => {
    await api("POST", `/agents/me/keys/${key.pubkey}/${how}`);
    if (dialog.open && sure.isConnected) dialog.close();
    else await show(); // it was put away before
  };
  const retire = action("Retire it", does("retire"), say, "plain-button");
  const destroy = action("Destroy it", does("destroy"), say, "plain-button");
  const sure = element("input", "", { type: "checkbox" });
  destroy.disabled = true;
  sure.addEventListener("change", () => { destroy.disabled = !sure.checked; });
  const last = key.main && !key.retired_at ? [element("p", "What you write is signed with this key now. After that another key of yours signs, in your extension or remote signer; without one you cannot write as this name any more.", { className: "warn" })] : [];
  const steps = key.retired_at ? [] : [
    element("h3", "Retire it"),
    element("p", "What it signed stays. From now on only deletions are signed with it here, for ever; you can still take it with you and use it elsewhere."),
    element("p", "", { className: "actions" }, retire),
  ];
  body.replaceChildren(...last, ...steps,
    element("h3", "Destroy it"),
    element("p", "The secret is forgotten here and cannot be brought back. Nobody can sign with the key any more, not even to delete what it wrote, unless you exported it first."),
    element("label", "", { className: "check" }, sure, " I exported it, or shall never need it"),
    element("p", "", { className: "actions" }, destroy), trouble);
  return open(dialog).then(show);
}

// By a link that the signer made, or one that it takes.
async function remotely() {
  const { invite, pair } = await bring("./remote.js");
  const { dialog, body } = make("remote", "Bind a remote signer");
  const made = invite();
  const link = element("code", "…");
  made.link.then((text) => { link.textContent = text; }, () => {}); // why there is none is told with `done`
  const trouble = element("p", "", { className: "trouble" });
  trouble.setAttribute("role", "alert");
  const copying = element("button", "Copy", { type: "button" });
  copying.addEventListener("click", async () => { copying.textContent = (await copy(link.textContent)) ? "Copied" : "Select it and copy"; });
  const bunker = element("input", "", { id: "remote-bunker", required: true, placeholder: "bunker://…", autocomplete: "off", spellcheck: false });
  const form = element("form", "", {}, element("label", "Or paste the link that your signer made", { htmlFor: "remote-bunker" }), bunker,
    element("p", "", { className: "actions" }, element("button", "Use this signer", { type: "submit", className: "plain-button" })));
  body.replaceChildren(element("p", "Give your signer this link. It answers over this place, and is asked for each signature."),
    element("div", "", { className: "snippet big" }, element("pre", "", { tabIndex: 0 }, link), copying), form, trouble);

  async function bind(found) {
    useSigner(found.user, found);
    await bindSigner();
    finish(dialog, form);
  }
  const attempt = (work) => work.then(bind).catch((error) => { trouble.textContent = words(error); });
  form.addEventListener("submit", (submit) => {
    submit.preventDefault();
    trouble.textContent = "";
    attempt(pair(bunker.value));
  });
  attempt(made.done);
  await open(dialog);
  if (me.remote?.secret !== made.secret) made.cancel();
  await show();
}

let turn = 0; // of the newest list: an older one comes too late

export async function show() {
  const mine = ++turn;
  const keys = await learn();
  if (mine !== turn) return;
  at("key-list").replaceChildren(...keys.map(row));
  const bound = me.own && me.bound?.has(me.own);
  const own = me.main && me.main === me.own;
  at("bind-extension").hidden = !window.nostr || Boolean(bound && !me.remote);
  at("owed").hidden = !(bound && owedProfile());
  at("signs").textContent = own
    ? `Your ${me.remote ? "remote signer" : "extension"} signs what you write here.`
    : me.main && me.main !== me.held
      ? "A key of your own that is not in this browser signs what you write."
      : "What you write is signed here, with a key that is kept for you.";
}

at("bind-extension").addEventListener("click", async () => {
  fail("");
  try {
    useSigner(await extension.getPublicKey());
    await bindSigner();
    await show();
  } catch (error) {
    fail(words(error));
  }
});
at("bind-remote").addEventListener("click", () => remotely().catch((error) => fail(words(error))));
at("sign-profile").addEventListener("click", () => signProfile().then(show).catch((error) => fail(words(error))));
