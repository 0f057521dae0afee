// The page on which a community or a room is begun, or a community is changed.

import { bring } from "./act.js";
import { goTo, sendForm } from "./editor.js";
import { hold } from "./held.js";
import { personal } from "./me.js";
import { me, ready } from "./who.js";

const form = document.getElementById("founding");
const { name, id } = form.elements;
const { group } = form.dataset;

// The address follows the name as long as nobody writes another one.
const addressOf = (text) => text.normalize("NFKD").toLowerCase().replace(/\p{M}/gu, "").replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 48);
const isNamed = Boolean(id && name.value && !id.value); // before this script was there
const { forget } = hold(form, () => personal(`draft.founding:${group ?? ""}`), () => localStorage);
if (isNamed) id.value = ""; // that of another name
let follows = !id?.value || id.value === addressOf(name.value);
const derive = () => {
  if (id && follows) id.value = addressOf(name.value);
};
name.addEventListener("input", derive);
derive(); // from what was typed before this script was there
id?.addEventListener("input", () => { follows = !id.value; });

form.addEventListener("submit", (submit) => {
  submit.preventDefault();
  sendForm(form, async () => {
    const { name: title, about, closed, restricted, what } = Object.fromEntries(new FormData(form));
    const among = what === "private"; // nobody comes into it, reads or writes there by themselves
    const said = { name: title.trim(), about: about.trim(), closed: among || Boolean(closed), restricted: among || Boolean(restricted) };
    const { beginGroup, editGroup } = await bring("./governing.js");
    if (group) await editGroup(group, said);
    else await beginGroup(id.value, { ...said, private: among, supported_kinds: what === "posts" ? [11] : [9] });
    forget();
    location.href = `/${!group && what !== "posts" ? "chat" : "c"}/${encodeURIComponent(group ?? id.value)}`;
  });
});

ready().then(() => {
  for (const each of form.querySelectorAll(".as")) each.textContent = me.name ? `as ${me.name}` : "";
  goTo(() => name);
});
dispatchEvent(new Event("alive"));
