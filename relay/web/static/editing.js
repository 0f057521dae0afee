// Changing a post or a comment of one's own, in its place on the page.

import { bring, complain, composes, holdsKeyboard } from "./act.js";
import { attend, sendForm } from "./editor.js";
import { renew, target } from "./items.js";

// The form for it comes from the relay, with what it says now.
async function fetchForm(id) {
  const response = await fetch(`/edit/${id}`, { headers: { accept: "text/html" } }).catch(() => null);
  if (!response?.ok) throw new Error("This cannot be changed just now. Try again in a moment.");
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  return document.adoptNode(page.querySelector("form"));
}

export async function edit(item) {
  if (item.querySelector("form.edit")) return;
  const shown = item.querySelector("[data-part=text]");
  const what = target(item);
  let form;
  try {
    form = await fetchForm(what.id);
  } catch (error) {
    complain(shown, error);
    return;
  }
  if (item.querySelector("form.edit")) return; // it was asked for twice
  shown.hidden = true;
  shown.after(form);
  const { sent, save } = attend(form, () => `edit:${what.id}`);
  const isOnItsWay = () => form.querySelector("[type=submit]").disabled;
  const close = () => {
    const stays = holdsKeyboard(form);
    form.remove();
    shown.hidden = false;
    if (stays) item.querySelector(".menu summary")?.focus();
    if (item.classList.contains("gone")) renew([what.id]); // it stayed for what was written
  };
  form.querySelector("[data-stop]").addEventListener("click", () => {
    if (isOnItsWay()) return;
    sent();
    close();
  });
  form.addEventListener("keydown", (key) => {
    if (key.key !== "Escape" || composes(key) || isOnItsWay()) return;
    save(); // "Edit" finds it again
    close();
  });
  form.addEventListener("submit", (submit) => {
    submit.preventDefault();
    sendForm(form, async () => {
      const { edit: send } = await bring("./posting.js");
      await send(what, Object.fromEntries(new FormData(form)), Number(form.dataset.at));
      sent();
      close();
      renew([what.id], true);
    });
  });
  if (holdsKeyboard(item)) form.elements.content.focus();
}
