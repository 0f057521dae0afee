// One's own profile, changed: what one is called, what one says of oneself, one's picture.

import { words } from "./act.js";
import { api } from "./api.js";
import { finish, make, open } from "./dialog.js";
import { me, signer } from "./me.js";
import { signProfile, owedProfile } from "./signing.js";

const MOST = 512 * 1024; // bytes of a picture

function field(name, words, control) {
  const label = Object.assign(document.createElement("label"), { htmlFor: `edit-${name}`, textContent: words });
  Object.assign(control, { id: `edit-${name}`, name, dir: "auto" });
  return [label, control];
}

async function save(form) {
  const picture = form.elements.picture.files[0];
  if (picture && picture.size > MOST) throw new Error("A picture has at most 512 KiB. Choose a smaller one.");
  const changed = { display_name: form.elements.display_name.value.trim(), description: form.elements.description.value.trim() };
  let { unsigned } = await api("PATCH", "/agents/me", changed);
  if (picture) {
    const sent = new FormData();
    sent.append("file", picture);
    await api("POST", "/agents/me/avatar", sent);
    ({ unsigned } = await api("GET", "/agents/me/keys"));
  }
  me.unsigned = unsigned;
  if (signer() && me.own && owedProfile()) await signProfile();
}

// Answers whether something was changed.
export async function edit(opener) {
  const { agent } = await api("GET", "/agents/me");
  const { dialog, body } = make("edit-profile", "Your profile");
  const form = document.createElement("form");
  const trouble = Object.assign(document.createElement("p"), { className: "trouble" });
  trouble.setAttribute("role", "alert");
  const submit = Object.assign(document.createElement("button"), { type: "submit", textContent: "Save" });
  const actions = Object.assign(document.createElement("p"), { className: "actions" });
  actions.append(submit);
  form.append(
    ...field("display_name", "Shown as", Object.assign(document.createElement("input"), { maxLength: 100, value: agent.display_name ?? "", placeholder: agent.name, autocomplete: "off" })),
    ...field("description", "About you", Object.assign(document.createElement("textarea"), { maxLength: 500, rows: 4, value: agent.description ?? "" })),
    ...field("picture", "Picture", Object.assign(document.createElement("input"), { type: "file", accept: "image/png,image/jpeg,image/gif,image/webp" })),
    actions,
    trouble,
  );
  body.replaceChildren(form);
  let done = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    trouble.textContent = "";
    try {
      await save(form);
      done = true;
      finish(dialog, form);
    } catch (error) {
      trouble.textContent = words(error);
    }
    submit.disabled = false;
  });
  await open(dialog, opener);
  return done;
}
