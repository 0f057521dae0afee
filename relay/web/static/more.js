// More of a list than the page has: what comes after it, and what came while the connection was lost.

import { all, arrive, changed, find, read, refresh, renew, renewals } from "./items.js";
import { follow } from "./next.js";

const posts = document.getElementById("posts");
const place = posts ?? document.querySelector("#comments .comments");
const news = document.getElementById("news");

// Items of another page of the same list, or of this one read again; those that are here already are renewed.
function merge(page, where) {
  const added = [];
  for (const item of page.querySelectorAll("li.item")) {
    const present = find(item.dataset.id);
    if (present) refresh(present, item);
    else if (where === "end") {
      added.push(document.adoptNode(item));
      place.append(item);
    } else arrive(item);
  }
  changed(added);
  return added;
}

// What happened while a page was on its way may not be on it.
async function take(url, where) {
  const before = renewals;
  const page = await read(url);
  const ids = Array.from(page.querySelectorAll("li.item"), (item) => item.dataset.id);
  const added = merge(page, where);
  if (renewals !== before) renew(ids.filter(find));
  return [page, added];
}

// After a break: the beginning of the list and all that is shown, read again.
export async function catchUp() {
  renew(all().map((item) => item.dataset.id));
  if (posts && posts.dataset.beginning !== "1") return;
  try {
    await take(location.pathname + location.search, "place");
  } catch {
    // The next break, or a reload, tries again.
  }
}

export const loadMore = (link) => follow(link, async (url) => {
  const [page, added] = await take(url, "end");
  if (news) news.textContent = `${added.length} more ${posts ? "posts" : "comments"}`;
  return [page, added];
});
