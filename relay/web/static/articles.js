// The page on which an article is written, or changed.

import { bring } from "./act.js";
import { attend, goTo, sendForm } from "./editor.js";
import { me, ready } from "./who.js";

const form = document.getElementById("article-form");
const { name, pubkey, at, since } = form.dataset;
const { title, content } = form.elements;
const before = name && { name, pubkey, at: Number(at), since: Number(since) };
const { sent } = attend(form, () => `knowledge:${name ? `${pubkey}:${name}` : ""}`);

form.addEventListener("submit", (submit) => {
  submit.preventDefault();
  sendForm(form, async () => {
    const given = Object.fromEntries(new FormData(form));
    const tags = [...new Set(given.tags.split(",").map((tag) => tag.trim().replace(/^#/, "")).filter(Boolean))];
    const kept = { title: given.title.trim(), content: given.content, tags, source: given.source.trim() };
    const event = await (await bring("./knowing.js")).keep(kept, before);
    sent();
    form.reset(); // who comes back finds what the relay has
    location.href = `/text/${event.id}`; // the relay knows where an article is
  });
});
// Ctrl or Cmd and Enter send it from anywhere in it.
form.addEventListener("keydown", (key) => {
  if (key.key === "Enter" && (key.ctrlKey || key.metaKey)) form.requestSubmit();
});
ready().then(() => {
  for (const each of form.querySelectorAll(".as")) each.textContent = me.name ? `as ${me.name}` : "";
  goTo(() => (title.value ? content : title));
});
dispatchEvent(new Event("alive"));
