// Pages as they are for whoever reads, with the key that this browser keeps.

import { me, signOut } from "./me.js";

// The page at this address, as a document. Raises an Error with words for people.
export async function read(url) {
  const headers = { accept: "text/html", authorization: `Bearer ${me.token}` };
  const response = await fetch(url, { headers }).catch(() => ({ ok: false }));
  if (response.status === 401) {
    signOut();
    throw new Error("Your key is not good any more. Sign in again.");
  }
  if (!response.ok) throw new Error("This cannot be shown just now. Try again in a moment.");
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

// What comes after the rows of this list goes to its end; `link` leads there, and then to what comes after that.
export async function addMore(list, link) {
  if (link.ariaBusy) return; // what comes is on its way
  link.setAttribute("aria-busy", "true");
  const label = (link.dataset.label ??= link.textContent);
  try {
    const page = await read(link.href);
    const rows = [...document.adoptNode(page.querySelector(`.${list.classList[0]}`)).children];
    list.append(...rows);
    link.textContent = label;
    const next = page.getElementById("more");
    if (next) link.href = next.getAttribute("href");
    else if (document.activeElement === link) rows[0]?.querySelector("a, button")?.focus({ preventScroll: true });
    if (!next) link.parentElement.remove();
  } catch {
    link.textContent = "That did not work. Try again";
  }
  link.removeAttribute("aria-busy");
}
