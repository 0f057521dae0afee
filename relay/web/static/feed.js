// The feed, a post or a profile, alive: what events change, and what the reader does.

import { act, bring, complain, holdsKeyboard, toast, words } from "./act.js";
import { all, changed, find, onChange, post, renew, target, tellTimes } from "./items.js";
import { personal, signer, stored } from "./me.js";
import { isSure } from "./sure.js";
import { canWrite, me, needWriter, ready } from "./who.js";
import { FEED, ask, follow } from "./wire.js";

const list = document.getElementById("posts") ?? document.getElementById("comments");
const mark = document.getElementById("live");
const answer = document.getElementById("answer");
const community = document.querySelector("#membership, .item.whole")?.dataset.group;
const SEEN = 5000; // event ids remembered

const seen = new Set();
const votes = new Map(); // target -> own votes on it, newest first
const turns = new Map(); // target -> the newest question for them, or vote: what older ones say comes too late
let turn = 0;
const voted = new Map(); // id of a vote heard -> its target, so that its deletion is understood

const value = (event, name) => event.tags.find((tag) => tag[0] === name)?.[1];
const last = (event, name) => event.tags.findLast((tag) => tag[0] === name)?.[1];

// What the reader may do in the community of the page is asked again (membership.js, menu.js).
function stand(event) {
  if (me.keys.has(value(event, "p"))) dispatchEvent(new Event("moved"));
}

// What each kind of event changes: the ids of items to ask for again.
const CHANGES = {
  11: (event) => (list.id === "posts" ? [event.id] : []),
  1111: (event) => [value(event, "E"), ...(post?.id === value(event, "E") ? [event.id] : [])],
  1010: (event) => [value(event, "e")],
  7: (event) => {
    voted.set(event.id, last(event, "e"));
    if (voted.size > SEEN) voted.delete(voted.keys().next().value);
    return [last(event, "e")];
  },
  5: (event) => {
    const ids = event.tags.filter((tag) => tag[0] === "e").map((tag) => tag[1]);
    const known = ids.every((id) => find(id) || voted.has(id));
    const roots = post ? [post.id] : [];
    return known ? [...ids.map((id) => voted.get(id) ?? id), ...roots] : everything();
  },
  62: () => everything(),
  9005: (event) => [...event.tags.filter((tag) => tag[0] === "e").map((tag) => tag[1]), ...(post ? [post.id] : [])],
  9000: stand,
  9001: stand,
};
const everything = () => all().map((item) => item.dataset.id);

function take(event) {
  if (seen.has(event.id)) return;
  seen.add(event.id);
  if (seen.size > SEEN) seen.delete(seen.values().next().value);
  const ids = (CHANGES[event.kind]?.(event) ?? []).filter((id) => /^[0-9a-f]{64}$/.test(id));
  const news = event.kind === 11 || event.kind === 1111;
  renew(ids.filter((id) => find(id) || (news && id === event.id)));
  if (me.keys.has(event.pubkey) && (event.kind === 7 || event.kind === 5)) markVotes(all());
}

const rest = () => bring("./more.js");
const STATES = { live: "live", lost: "reconnecting", refused: "not live" };
let lost = false;

function tell(state) {
  mark.dataset.state = state;
  mark.firstElementChild.textContent = STATES[state];
  if (state === "live" && lost) rest().then(({ catchUp }) => catchUp(), () => null); // the next break, or a reload, tries again
  lost = state === "lost";
}

// One's own votes

async function markVotes(items) {
  const ids = items.map((item) => item.dataset.id);
  if (!me.keys.size || !ids.length) return;
  const mine = ++turn;
  for (const id of ids) turns.set(id, mine);
  for (let at = 0; at < ids.length; at += 100) {
    const all = ids.slice(at, at + 100);
    const found = await ask({ kinds: [7], authors: [...me.keys], "#e": all, limit: 500 }).catch(() => null);
    if (!found) return;
    const some = all.filter((id) => turns.get(id) === mine);
    for (const id of some) votes.delete(id);
    found.sort((a, b) => b.created_at - a.created_at || (a.id < b.id ? -1 : 1));
    for (const event of found) {
      const of = last(event, "e");
      if (some.includes(of) && ["+", "", "-"].includes(event.content)) votes.set(of, [...(votes.get(of) ?? []), event]);
    }
    for (const id of some) press(id);
  }
}

function press(id) {
  const newest = votes.get(id)?.[0];
  const direction = newest && (newest.content === "-" ? "down" : "up");
  for (const button of find(id)?.querySelectorAll("[data-vote]") ?? []) {
    button.setAttribute("aria-pressed", String(button.dataset.vote === direction));
  }
}

function sayAs() {
  for (const each of document.querySelectorAll(".as")) {
    each.textContent = me.name ? `as ${me.name}` : signer() ? "signed by your own key" : "";
  }
}

// What the reader does

const posting = () => bring("./posting.js");
const keeping = () => bring("./keeping.js");
const menus = () => bring("./menu.js");

// What a vote shows before the relay knows of it; the same again takes it back. Answers what puts the score back.
function showVote(item, direction) {
  const buttons = [...item.querySelectorAll("[data-vote]")];
  const before = buttons.find((each) => each.getAttribute("aria-pressed") === "true")?.dataset.vote;
  const after = before === direction ? undefined : direction;
  const worth = (side) => (side === "up") - (side === "down");
  const score = item.querySelector(".score");
  const move = (by) => { score.textContent = Number(score.textContent) + by; };
  move(worth(after) - worth(before));
  for (const each of buttons) each.setAttribute("aria-pressed", String(each.dataset.vote === after));
  return () => move(worth(before) - worth(after));
}

async function voteOn(item, direction) {
  const { id } = target(item);
  const event = await (await posting()).vote(target(item), direction, votes.get(id) ?? []);
  turns.set(id, ++turn);
  if (event.kind === 7) votes.set(id, [event, ...(votes.get(id) ?? [])]);
  else votes.delete(id);
  press(id);
  renew([id], true);
}

const KEEP_OPEN = Symbol("keep the menu open");

// An item goes, once its button was pressed a second time.
function takeAway(button, item, label, send) {
  if (!isSure(button, `Really ${label.toLowerCase()}?`)) return KEEP_OPEN;
  return act(button, {
    now: () => item.classList.add("gone"),
    then: async () => {
      await send(await posting());
      renew([item.dataset.id, ...(post && item.dataset.id !== post.id ? [post.id] : [])], true);
    },
    undo: () => item.classList.remove("gone"),
  });
}

// What each button of an item does: the name of its `data-` attribute -> what is called with the button and the item. What is
// not needed at once is loaded by its row. A row of the menu closes it, unless the function gives KEEP_OPEN.
const ACTIONS = {
  vote: (button, item) => needWriter(() => {
    let putBack;
    return act(button, {
      now: () => {
        turns.set(item.dataset.id, ++turn);
        putBack = showVote(item, button.dataset.vote);
      },
      then: () => voteOn(item, button.dataset.vote),
      undo: () => {
        putBack();
        press(item.dataset.id);
        markVotes([item]);
        renew([item.dataset.id], true);
      },
    });
  }),
  delete: (button, item) => takeAway(button, item, "Delete", ({ remove }) => remove(target(item))),
  moderate: (button, item) => takeAway(button, item, "Remove", ({ moderate }) => moderate(target(item), button.dataset.moderate)),
  banAuthor: (_button, item) => bring("./ruling.js").then(({ ask }) => ask(item, (ids) => renew(ids, true))),
  reply: (_button, item) => needWriter(async () => (await writing()).reply(item)),
  quote: (_button, item) => needWriter(async () => (await writing()).reply(item, true)),
  cancel: async () => (await writing()).home(true),
  edit: (_button, item) => needWriter(async () => (await bring("./editing.js")).edit(item)),
  pin: (button, item) => needWriter(async () => (await bring("./inviting.js")).movePin(button.dataset.pin, item.dataset.id, true)),
  save: (button, item) => needWriter(async () => (await keeping()).save(button, item)),
  hide: async (button, item) => (await keeping()).hide(button, item),
  followAuthor: (button, item) => needWriter(async () => (await keeping()).followAuthor(button, item)),
  muteAuthor: (button, item) => needWriter(async () => (await keeping()).muteAuthor(button, item)),
  report: (button, item) => needWriter(async () => (await keeping()).report(button, item)),
  link: async (button) => toast((await (await menus()).copyLink(button)) ? "The link is copied" : "Nothing was copied"),
  fold: async (_button, item) => (await bring("./thread.js")).toggle(item),
  proof: async (_button, item) => (await bring("./proof.js")).show(item.dataset.id),
};

// What is asked for may need a script that does not come.
const telling = (control) => (error) => complain(control, words(error));

addEventListener("click", (event) => {
  const button = event.target.closest?.("button");
  if (!button) return;
  const action = Object.keys(ACTIONS).find((name) => name in button.dataset);
  const done = action && ACTIONS[action](button, button.closest(".item"));
  if (!action || done === KEEP_OPEN) return;
  Promise.resolve(done).catch(telling(button));
  if (button.closest(".menu")) menus().then(({ closeMenu }) => closeMenu(button));
});
// The keyboard clicks too.
addEventListener("click", (click) => {
  const summary = click.target.closest?.(".menu > summary");
  if (!summary) return;
  click.preventDefault();
  menus().then(({ toggleMenu }) => toggleMenu(summary.parentElement), telling(summary));
});

// What one writes is seen to by a script that is loaded when somebody begins.
const writing = () => bring("./writing.js");
for (const form of [answer, document.getElementById("write")]) {
  for (const each of ["focusin", "input"]) form?.addEventListener(each, writing);
  form?.addEventListener("submit", async (submit) => {
    submit.preventDefault();
    form.setAttribute("aria-busy", "true");
    await writing().finally(() => form.removeAttribute("aria-busy")).then(({ send }) => send(form)).catch(telling(submit.submitter ?? form));
  });
}
document.getElementById("compose")?.addEventListener("toggle", ({ target: compose }) => {
  if (compose.open) needWriter(() => holdsKeyboard(compose.querySelector("summary")) && compose.querySelector("input").focus());
});
// What was begun here before is there again, also where the browser fills in no form; what stood under a comment stands there.
const under = answer && history.state?.under && find(history.state.under);
if (answer && stored(personal(`draft.answer:${under?.dataset.id ?? post.id}`))) writing().then(({ resume }) => resume(under));
// Ctrl or Cmd and Enter send a form from its text.
addEventListener("keydown", (key) => {
  if (key.key === "Enter" && (key.ctrlKey || key.metaKey)) key.target.closest?.("form")?.requestSubmit();
});

// Another page than a post's own: whoever comes to a post from here visits it anew (thread.js).
function endVisit() {
  try {
    sessionStorage.removeItem("tidings.last");
  } catch {
    // storage is switched off
  }
}

// A list is put back as it was left; where it begins anew, that is seen to once somebody scrolls.
const place = () => bring("./place.js");
if (list.id === "posts" && history.state?.place) {
  place().then(({ keepPlace }) => {
    if (!keepPlace()) return;
    changed(all());
    renew(everything());
  });
} else if (list.id === "posts") {
  addEventListener("scroll", () => place().then(({ keepPlace }) => keepPlace()), { once: true, passive: true });
}
// More comes as one scrolls, PAGES times; after that one asks for it, so that the end of the page can be reached.
const PAGES = 8;
const more = document.getElementById("more");
if (more) {
  let loaded = 0;
  const loadMore = () => rest().then((script) => script.loadMore(more));
  more.addEventListener("click", (click) => {
    click.preventDefault();
    loadMore().catch(telling(more));
  });
  const watcher = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    watcher.unobserve(more);
    loadMore().then((isDone) => isDone && ++loaded < PAGES && watcher.observe(more), () => null);
  }, { rootMargin: "600px" });
  watcher.observe(more);
}

onChange((items) => {
  markVotes(items.filter((item) => !votes.has(item.dataset.id)));
  tellTimes();
});
for (const hidden of [document.getElementById("compose"), answer]) if (hidden) hidden.hidden = false;
tellTimes();
setInterval(tellTimes, 30_000);
const told = community ? [{ kinds: FEED }, { kinds: [9000, 9001], "#h": [community] }] : undefined;
follow(Number(list.dataset.now), { event: take, state: tell }, told);
if (stored(personal("hidden")) || stored(personal("muted"))) bring("./away.js");
if (!post && stored(personal("seen"))) bring("./seen.js");
if (!post) {
  endVisit();
  addEventListener("pageshow", endVisit); // also where the browser kept the page as it was
}

function showMine() {
  if (me.token) bring("./muted.js").then(({ learn }) => learn());
  sayAs();
  markVotes(all());
}
ready().then(() => {
  showMine();
  addEventListener("who", showMine);
  // What one opens and what one does is there without waiting for its script.
  const load = () => Promise.all([menus(), rest(), canWrite() && posting()]).catch(() => {});
  (window.requestIdleCallback ?? setTimeout)(load, { timeout: 1000 });
});
dispatchEvent(new Event("alive"));
