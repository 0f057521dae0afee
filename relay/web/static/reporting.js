// Reporting something or somebody to whoever looks after this place (NIP-56).

import { toast, words } from "./act.js";
import { api } from "./api.js";
import { finish, make, open } from "./dialog.js";
import { settled } from "./lists.js";
import { me, signer } from "./me.js";
import { sign } from "./signing.js";

const REASONS = {
  spam: "Spam or advertising",
  profanity: "Insults or hate",
  nudity: "Nudity",
  malware: "Harmful software or links",
  illegal: "Against the law",
  impersonation: "Pretends to be somebody else",
  other: "Something else",
};

const element = (name, fields, ...children) => {
  const made = Object.assign(document.createElement(name), fields);
  made.append(...children);
  return made;
};

function send({ event, pubkey, agent }, reason, content) {
  if (me.token) return settled(() => api("POST", "/reports", { reason, content, ...(event ? { event_id: event } : { agent }) }));
  if (!signer()) throw new Error("You need a name here first: sign in.");
  const tags = event ? [["e", event, reason], ["p", pubkey]] : [["p", pubkey, reason]];
  return sign({ kind: 1984, tags, content });
}

// `target`: {event, pubkey, agent, what}; `what` is the word for it.
export async function ask(target, opener) {
  const { dialog, body } = make("report", `Report this ${target.what}`);
  const choices = Object.entries(REASONS).map(([value, words], index) => element(
    "label",
    { className: "check" },
    element("input", { type: "radio", name: "reason", value, required: true, autofocus: !index }),
    words,
  ));
  const more = element("textarea", { name: "content", rows: 2, maxLength: 500, dir: "auto", id: "report-more" });
  const trouble = element("p", { className: "trouble" });
  trouble.setAttribute("role", "alert");
  const submit = element("button", { type: "submit", textContent: "Report" });
  const form = element(
    "form",
    { className: "report" },
    element("fieldset", {}, element("legend", { textContent: "What is wrong with it?" }), ...choices),
    element("label", { htmlFor: "report-more" }, "More about it ", element("small", { textContent: "optional" })),
    more,
    element("p", { className: "hint", textContent: "A report is signed with your name, and anybody can read it." }),
    element("p", { className: "actions" }, submit),
    trouble,
  );
  body.replaceChildren(form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    trouble.textContent = "";
    try {
      await send(target, form.elements.reason.value, more.value.trim());
      toast("Reported. Thank you: whoever looks after this place will see it.");
      finish(dialog, form);
    } catch (error) {
      trouble.textContent = words(error);
    }
    submit.disabled = false;
  });
  return open(dialog, opener);
}
