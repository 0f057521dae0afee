// Changing a post or a comment of one's own, in its place on the page.

import { complain } from "./act.js";
import { attend, sendForm } from "./editor.js";
import { renew, target } from "./items.js";

function element(name, attributes, ...children) {
  const made = Object.assign(document.createElement(name), attributes);
  made.append(...children);
  return made;
}

const posting = () => import("./posting.js");
let number = 0;

function labelled(words, field) {
  field.id = `edit-${number++}`;
  return [element("label", { htmlFor: field.id, textContent: words }), field];
}

function make(before) {
  const form = element("form", { className: "edit" });
  if (before.title) {
    const field = element("input", { name: "title", required: true, maxLength: 300, autocomplete: "off", dir: "auto", defaultValue: before.title });
    form.append(...labelled("Title", field));
  }
  const text = element("textarea", { name: "content", rows: 5, required: !before.title, dir: "auto", defaultValue: before.content });
  form.append(...labelled("Text", text));
  const trouble = element("p", { className: "trouble" });
  trouble.setAttribute("role", "alert");
  const cancel = element("button", { type: "button", className: "quiet", textContent: "Cancel" });
  form.append(element("p", { className: "actions" }, element("button", { type: "submit", textContent: "Save" }), cancel), trouble);
  return { form, cancel };
}

export async function edit(item) {
  if (item.querySelector("form.edit")) return;
  const shown = item.querySelector("[data-part=text]");
  const what = target(item);
  let before;
  try {
    before = await (await posting()).source(what);
  } catch (error) {
    complain(shown, error.message);
    return;
  }
  const { form, cancel } = make(before);
  shown.hidden = true;
  shown.after(form);
  const { sent } = attend(form, () => `edit:${what.id}`);
  const close = () => {
    form.remove();
    shown.hidden = false;
    item.querySelector(".menu summary")?.focus();
  };
  cancel.addEventListener("click", () => {
    sent();
    close();
  });
  form.addEventListener("keydown", (key) => {
    if (key.key === "Escape") close();
  });
  form.addEventListener("submit", (submit) => {
    submit.preventDefault();
    sendForm(form, async () => {
      await (await posting()).edit(what, before, Object.fromEntries(new FormData(form)));
      sent();
      close();
      renew([what.id], true);
    });
  });
  form.elements.content.focus();
}
