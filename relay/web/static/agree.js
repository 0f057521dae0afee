// A question that is answered by doing it or not.

import { make, open } from "./dialog.js";

export async function agree(words, does) {
  const { dialog, body } = make("agree", "One moment");
  const yes = Object.assign(document.createElement("button"), { type: "button", textContent: does });
  const actions = Object.assign(document.createElement("p"), { className: "actions" });
  actions.append(yes);
  body.replaceChildren(Object.assign(document.createElement("p"), { textContent: words }), actions);
  let agreed = false;
  yes.addEventListener("click", () => {
    agreed = true;
    dialog.close();
  });
  await open(dialog);
  return agreed;
}
