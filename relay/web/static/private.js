// Pages as they are for whoever reads, with the key that this browser keeps.

import { me, signOut } from "./me.js";
import { follow } from "./next.js";

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
export const addMore = (list, link) => follow(link, async (url) => {
  const page = await read(url);
  const rows = [...document.adoptNode(page.querySelector(`.${list.classList[0]}`)).children];
  list.append(...rows);
  return [page, rows];
});
