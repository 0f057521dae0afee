// The history of a post, a comment or an article: the proof of a version, when somebody asks for it.

import { bring, complain } from "./act.js";

addEventListener("click", ({ target }) => {
  const button = target.closest?.("[data-proof]");
  if (!button) return;
  const { kept } = button.closest("[data-kept]")?.dataset ?? {};
  const given = kept && (() => versions(kept));
  bring("./proof.js").then(({ show }) => show(button.closest(".item").dataset.id, given), (error) => complain(button, error));
});

dispatchEvent(new Event("alive"));

// What a newer version took the place of is asked for over HTTP: the log has it no more.
async function versions(url) {
  const answer = await fetch(url, { headers: { accept: "application/json" } });
  if (!answer.ok) throw new Error("The event is not here any more.");
  return (await answer.json()).versions.map((version) => version.event);
}
