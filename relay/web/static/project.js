// A project: its issues as a list, a board and one by one, read live, and what whoever may write there does to them.
//
// One that is for its members is asked for again with an app token, which stays in this tab, or with a proof by a signing
// extension (NIP-98). What comes is the page itself, as the relay makes it; so is what is changed meanwhile (`data-live`).

import { bring, holdsKeyboard, words } from "./act.js";
import { boards } from "./board.js";
import { hold } from "./held.js";
import { signer } from "./me.js";
import { call, watch } from "./tracking.js";

const STORE = "tidings.app-token";
const PAUSE = 300; // milliseconds in which what happens is read together
const content = document.getElementById("content");

function stored() {
  try {
    return sessionStorage.getItem(STORE) ?? "";
  } catch {
    return "";
  }
}

function store(token) {
  try {
    sessionStorage.setItem(STORE, token);
  } catch {
    // storage is switched off: then it is asked for again
  }
}

const here = () => location.href.split("#")[0];
const main = () => document.getElementById("project");

let authorize = null; // how this project is asked for: (method, url, body) -> the header

async function read(url) {
  const headers = { accept: "text/html", ...(authorize && { authorization: await authorize("GET", url) }) };
  const response = await fetch(url, { headers, cache: "no-store" });
  if (response.status === 401) throw new Error("That is no app token of this relay.");
  if (response.status === 403 || response.status === 404) throw new Error("This project is not open to you, or it is not here.");
  if (!response.ok) throw new Error(`The relay answered ${response.status}.`);
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

let asked = 0; // views: what was asked for before the newest comes too late
let shown = 0;
let readings = 0; // again of what is shown
let newest = 0;

async function open(url) {
  const mine = ++asked;
  const page = await read(url);
  if (mine !== asked) return false;
  shown += 1;
  for (const form of content.querySelectorAll("form[data-act]")) held.get(form)?.flush();
  content.replaceChildren(...document.adoptNode(page.getElementById("content")).childNodes);
  document.title = page.title;
  begin();
  return true;
}

// The parts that may have changed, in their place. What is being filled in stays as it is, and so does where the keyboard is.
async function refresh() {
  const [url, before, mine] = [here(), shown, ++readings];
  const { become, holding } = await bring("./texts.js");
  const page = await read(url);
  if (url !== here() || shown !== before) return refresh(); // another view is shown by now
  if (mine < newest) return undefined;
  newest = mine;
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = page.querySelector(`[data-live="${part.dataset.live}"]`);
    const isHeld = part.contains(document.activeElement) && document.activeElement.matches("input, textarea, select");
    if (!other || "touched" in part.dataset || isHeld) continue;
    if (part.matches("form")) part.replaceWith(document.adoptNode(other)); // its fields say what it says now
    else holding(part, () => become(part, document.adoptNode(other)));
  }
  resume();
  return undefined;
}

let timer = 0;

function soon(tries = 3) {
  timer ||= setTimeout(() => {
    timer = 0;
    refresh().catch(() => tries > 1 && setTimeout(soon, 1000, tries - 1));
  }, PAUSE);
}

async function attempt(place, work) {
  place.textContent = "";
  try {
    await work();
  } catch (error) {
    place.textContent = words(error);
  }
}

const byToken = async () => `Bearer ${stored()}`;
const byProof = async (...request) => (await bring("./nip98.js")).proof(...request);

// The form that asks who reads: in the place of what is closed, or below what everybody reads.
function asking() {
  const form = document.getElementById("open");
  if (!form) return;
  form.hidden = false;
  form.closest(".way-in")?.removeAttribute("hidden");
  document.getElementById("open-extension").hidden = !signer();
  const trouble = form.querySelector(".trouble");
  const enter = (how) => attempt(trouble, async () => {
    authorize = how;
    try {
      await open(here());
    } catch (error) {
      authorize = null;
      throw error;
    }
    content.focus();
  });
  form.addEventListener("submit", (submit) => {
    submit.preventDefault();
    store(form.elements.token.value.trim());
    enter(byToken);
  });
  document.getElementById("open-extension").addEventListener("click", () => enter(byProof));
}

// Acts

const listed = (text) => [...new Set(text.split(",").map((each) => each.trim()).filter(Boolean))];

function said(form) {
  const { label_ids, assignee_id, ...fields } = Object.fromEntries(new FormData(form));
  return { ...fields, label_ids: listed(label_ids), assignee_id: assignee_id || null };
}

// A form that somebody has begun to fill in is not shown anew, wherever the keyboard is.
content.addEventListener("input", ({ target }) => target.closest("[data-live]")?.setAttribute("data-touched", ""));
content.addEventListener("reset", ({ target }) => {
  target.removeAttribute("data-touched");
  held.get(target)?.forget();
});

const held = new WeakMap(); // a form -> how what it holds is kept, in this tab

// What was begun here before is there again.
function resume() {
  for (const form of content.querySelectorAll("form[data-act]")) {
    if (held.has(form)) continue;
    const name = `tidings.form.${main().dataset.issue ?? main().dataset.project}.${form.dataset.act}`;
    const kept = hold(form, () => name, () => sessionStorage);
    held.set(form, kept);
    if (!kept.isBegun) continue;
    form.closest("[data-live]")?.setAttribute("data-touched", "");
    form.closest("details")?.setAttribute("open", "");
  }
}

const ACTS = {
  write: async (form) => {
    await call(authorize, "POST", "/issues", { project_id: main().dataset.project, ...said(form) });
    form.reset();
    form.closest("details").open = false;
  },
  change: async (form) => {
    await call(authorize, "PATCH", `/issues/${main().dataset.issue}`, said(form));
    form.reset(); // what it holds is out, and comes back with what the relay says now
    form.closest("details").open = false;
  },
  comment: async (form) => {
    await call(authorize, "POST", `/issues/${main().dataset.issue}/comments`, { content: form.elements.content.value });
    form.reset();
  },
};

content.addEventListener("submit", (submit) => {
  const act = ACTS[submit.target.dataset.act];
  if (!act) return;
  submit.preventDefault();
  const button = submit.target.querySelector("[type=submit]");
  button.disabled = true;
  attempt(submit.target.querySelector(".trouble"), async () => {
    const summary = submit.target.closest("details")?.querySelector("summary");
    await act(submit.target);
    if (holdsKeyboard(submit.target)) summary?.focus(); // out of what is to be shown anew
    await refresh();
  }).finally(() => { button.disabled = false; });
});

boards(content, (method, path, body) => attempt(document.getElementById("trouble"), async () => {
  await call(authorize, method, path, body);
  await refresh();
}));

// Links within the project go on with what opened it.
content.addEventListener("click", (click) => {
  const link = click.target.closest?.("a");
  const path = link && new URL(link.href, location.href);
  const base = location.pathname.split("/").slice(0, 3).join("/");
  const within = path && (path.pathname === base || path.pathname.startsWith(`${base}/`));
  if (!authorize || !within || click.ctrlKey || click.metaKey) return;
  click.preventDefault();
  open(path.href).then((isShown) => {
    if (!isShown) return;
    history.pushState(null, "", path.href);
    content.focus();
  }, () => { location.href = path.href; });
});
addEventListener("popstate", () => {
  if (authorize) open(here()).catch(() => location.reload());
});

let watched = "";

// What follows from what stands there now.
function begin() {
  asking();
  resume();
  const { project, open: isOpen, now } = main().dataset;
  const isClosed = Boolean(document.querySelector("#open:not([data-inside])"));
  if (isClosed || watched === project) return;
  watched = project;
  watch(project, isOpen === "1" ? null : authorize, Number(now), () => soon());
}

begin();
dispatchEvent(new Event("alive"));
if (stored() && !authorize) {
  authorize = byToken;
  attempt(document.querySelector("#open .trouble") ?? document.createElement("p"), async () => {
    try {
      await open(here());
    } catch (error) {
      authorize = null;
      throw error;
    }
  });
}
