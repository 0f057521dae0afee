// A link to what comes after a list, which is put where it belongs without leaving the page.

// Does `work` for the link, once at a time, and answers whether it is done; where that fails the link says so, and is there to be pressed again.
export async function once(link, work) {
  if (link.hasAttribute("aria-busy")) return false; // what comes is on its way
  link.setAttribute("aria-busy", "true");
  const label = (link.dataset.label ??= link.textContent);
  const isDone = await work().then(() => true, () => false);
  link.textContent = isDone ? label : "That did not work. Try again";
  link.removeAttribute("aria-busy");
  return isDone;
}

// `take(url)` answers the page at that address, and which of its rows were put to the list; the link leads to what comes after
// them then. A keyboard that was on the last link goes on from the first of these.
export const follow = (link, take) => once(link, async () => {
  const [page, added] = await take(link.href);
  const next = page.getElementById("more");
  if (next) link.href = next.getAttribute("href");
  else if (document.activeElement === link) added[0]?.querySelector("a, button")?.focus({ preventScroll: true });
  if (!next) link.parentElement.remove();
});
