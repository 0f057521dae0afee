// The page for a post.

import { bring } from "./act.js";
import { api } from "./api.js";
import { attend, goTo, sendForm } from "./editor.js";
import { me, ready } from "./who.js";

const form = document.getElementById("write");
const { content, group } = form.elements;
const { quote, reference } = form.dataset;
const { isWanting, restore, sent } = attend(form, () => (quote ? `quote:${quote}` : "post:"));

form.addEventListener("submit", (submit) => {
  submit.preventDefault();
  sendForm(form, async () => {
    if (isWanting()) await offered; // the community of a draft
    const given = Object.fromEntries(new FormData(form));
    const text = quote ? `${content.value.trimEnd()}\n\n${reference}`.trimStart() : content.value;
    const quoted = quote && { id: quote, pubkey: form.dataset.pubkey };
    const event = await (await bring("./posting.js")).writePost({ ...given, content: text, url: given.url.trim(), quote: quoted });
    sent();
    form.reset(); // who comes back finds it empty
    location.href = `/post/${event.id}`;
  });
});
// Ctrl or Cmd and Enter send it from anywhere in it.
form.addEventListener("keydown", (key) => {
  if (key.key === "Enter" && (key.ctrlKey || key.metaKey)) form.requestSubmit();
});

// The communities that one is in, to choose from.
async function offer() {
  if (!me.token) return;
  const { groups } = await api("GET", "/groups?mine=true&limit=100").catch(() => ({ groups: [] }));
  const known = new Set(Array.from(group.options, (option) => option.value));
  for (const { id, name, supported_kinds: takes, ...rest } of groups) {
    if (!known.has(id) && !rest.private && !rest.hidden && (takes ?? [11]).includes(11)) group.add(new Option(name || id, id));
  }
  restore(); // where one of them was chosen
}

function welcome() {
  for (const each of form.querySelectorAll(".as")) each.textContent = me.name ? `as ${me.name}` : "";
  offered = offer();
  return offered;
}

let offered = ready().then(() => {
  addEventListener("who", welcome); // who signs in here
  goTo(() => (form.elements.title.value ? content : form.elements.title));
  return welcome();
});
dispatchEvent(new Event("alive"));
