// An article of the knowledge: its proof, and for whoever wrote it, changing and deleting.

import { act, bring, complain } from "./act.js";
import { isSure } from "./sure.js";
import { me, ready } from "./who.js";

const article = document.getElementById("article");
const { id, pubkey, author, kind, name } = article.dataset;

const ACTIONS = {
  proof: (button) => bring("./proof.js").then(({ show }) => show(id), (error) => complain(button, error)),
  delete: (button) => {
    if (!isSure(button, "Really delete?")) return;
    act(button, {
      now: () => article.classList.add("gone"),
      then: async () => {
        await (await bring("./knowing.js")).forget({ id, pubkey, kind: Number(kind), name });
        location.href = "/knowledge";
      },
      undo: () => article.classList.remove("gone"),
    });
  },
};

article.addEventListener("click", ({ target }) => {
  const button = target.closest("button");
  const action = button && Object.keys(ACTIONS).find((each) => each in button.dataset);
  if (action) ACTIONS[action](button);
});
ready().then(() => {
  const own = me.keys.has(pubkey) || (me.id && me.id === author);
  for (const each of article.querySelectorAll("[data-own]")) each.hidden = !own;
});
dispatchEvent(new Event("alive"));
