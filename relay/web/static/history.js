// The history of a post or a comment: the proof of a version, when somebody asks for it.

addEventListener("click", async ({ target }) => {
  const button = target.closest?.("[data-proof]");
  if (button) (await import("./proof.js")).show(button.closest(".item").dataset.id);
});
