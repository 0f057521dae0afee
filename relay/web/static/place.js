// A list of posts is as one left it when one comes back to it: the same items, as far as it went, and where one was in it.
//
// What is kept is the list as the relay's templates made it, in this tab, under a name that its entry in the history has. What scripts put
// in besides would not work any more: it is left out. What was written there is a draft (editor.js).

const NAMES = "tidings.places";
const NAME = "tidings.place.";
const MADE = "form, .away, .trouble, .unread, .menu > .rows";
const KEEP = 5; // lists; where storage is full, fewer

const posts = document.getElementById("posts");
const more = () => document.getElementById("more");
const atTop = () => [...posts.children].find((item) => item.getBoundingClientRect().bottom > 0);

function names() {
  return JSON.parse(sessionStorage.getItem(NAMES) ?? "[]");
}

function drop(name) {
  sessionStorage.removeItem(NAME + name);
}

function leave(name) {
  const top = atTop();
  if (!top || scrollY === 0) return drop(name);
  history.scrollRestoration = "manual";
  const place = JSON.stringify({
    list: posts.innerHTML,
    more: more()?.getAttribute("href"),
    id: top.dataset.id,
    at: top.getBoundingClientRect().top,
  });
  const kept = names().filter((each) => each !== name);
  for (const each of kept.splice(0, kept.length - KEEP + 1)) drop(each);
  for (;;) {
    try {
      sessionStorage.setItem(NAME + name, place);
      sessionStorage.setItem(NAMES, JSON.stringify([...kept, name]));
      return undefined;
    } catch {
      if (!kept.length) return drop(name);
      drop(kept.shift());
    }
  }
}

function comeBack({ list, more: href, id, at }) {
  const items = new DOMParser().parseFromString(list, "text/html").body;
  for (const part of items.querySelectorAll(MADE)) part.remove();
  for (const part of items.querySelectorAll("[data-part][hidden]")) part.hidden = false;
  posts.replaceChildren(...[...items.children].map((item) => document.adoptNode(item)));
  for (const item of posts.children) item.classList.remove("fresh", "gone", "put-away");
  for (const menu of posts.querySelectorAll(".menu[open]")) menu.open = false;
  if (href) more()?.setAttribute("href", href);
  else more()?.parentElement.remove();
  const top = [...posts.children].find((item) => item.dataset.id === id);
  if (!top) return;
  posts.classList.add("settling"); // draws what is out of sight too, for its height, which is remembered from then on
  scrollBy({ top: top.getBoundingClientRect().top - at, behavior: "instant" });
  requestAnimationFrame(() => requestAnimationFrame(() => posts.classList.remove("settling")));
}

// Puts the list back, if this is a way back to it; whether it was.
export function keepPlace() {
  try {
    const name = history.state?.place ?? `${Date.now()}-${Math.random()}`;
    history.replaceState({ ...history.state, place: name }, "");
    const kept = sessionStorage.getItem(NAME + name);
    addEventListener("pagehide", () => {
      const top = scrollY;
      leave(name);
      // Where the browser keeps the page itself, WebKit begins at its top all the same.
      addEventListener("pageshow", ({ persisted }) => persisted && scrollTo({ top, behavior: "instant" }), { once: true });
    });
    if (!kept || performance.getEntriesByType("navigation")[0]?.type !== "back_forward") return false;
    comeBack(JSON.parse(kept));
    return true;
  } catch {
    return false; // storage is switched off: then the list begins anew
  }
}
