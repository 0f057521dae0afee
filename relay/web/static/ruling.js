// The form in which who runs this place says that somebody may not write here any more, and whether what they wrote goes, too.

import { toast, words } from "./act.js";
import { finish, make, open } from "./dialog.js";
import { element } from "./dom.js";
import { ban } from "./rules.js";

// Whoever wrote an item; `gone` is told what else they wrote on this page, if that goes.
export function ask(item, gone) {
  const { author, pubkey } = item.dataset;
  const name = item.querySelector(".author bdi")?.textContent ?? "who wrote it";
  const { dialog, body } = make("ruling", `Ban ${name}`);
  const reason = element("input", "", { name: "reason", maxLength: 200, dir: "auto", id: "ruling-reason", autocomplete: "off" });
  const remove = element("input", "", { type: "checkbox", name: "remove" });
  const trouble = element("p", "", { className: "trouble", role: "alert" });
  const submit = element("button", "Ban", { type: "submit" });
  const form = element(
    "form", "", {},
    element("p", "What they write is refused from now on, whichever of their keys signs it, until somebody takes that back.", { className: "hint" }),
    element("label", "Why ", { htmlFor: "ruling-reason" }, element("small", "for those who run this place; optional")),
    reason,
    element("label", "", { className: "check" }, remove, "Remove all that they wrote here, for good"),
    element("p", "", { className: "actions" }, submit),
    trouble,
  );
  body.replaceChildren(form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    trouble.textContent = "";
    try {
      const { removed } = await ban(author ? `@${author}` : pubkey, reason.value.trim(), remove.checked);
      toast(remove.checked ? `Banned, and what they wrote is gone (${removed} signed events).` : "Banned.");
      finish(dialog, form);
      const theirs = [...document.querySelectorAll(".item")].filter(({ dataset }) => dataset.pubkey === pubkey || (author && dataset.author === author));
      if (remove.checked) gone(theirs.map(({ dataset }) => dataset.id));
    } catch (error) {
      trouble.textContent = words(error);
    }
    submit.disabled = false;
  });
  return open(dialog, item.querySelector(".menu summary"));
}
