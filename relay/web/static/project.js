// A project that is for its members: asked for again with an app token, which stays in this tab, or with a proof by a signing
// extension (NIP-98). What comes is the page itself, as the relay makes it.

import { signer } from "./me.js";
import { proof } from "./nip98.js";

const STORE = "tidings.app-token";
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

let authorize = null; // how the next page of this project is asked for: url -> the header

async function open(url) {
  const response = await fetch(url, { headers: { accept: "text/html", authorization: await authorize(url) }, cache: "no-store" });
  if (response.status === 401) throw new Error("That is no app token of this relay.");
  if (response.status === 403 || response.status === 404) throw new Error("This project is not open to you, or it is not here.");
  if (!response.ok) throw new Error(`The relay answered ${response.status}.`);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  content.replaceChildren(...document.adoptNode(page.getElementById("content")).childNodes);
  document.title = page.title;
}

const form = document.getElementById("open");

async function attempt(work) {
  const trouble = form.querySelector(".trouble");
  trouble.textContent = "";
  try {
    await work();
    content.focus();
  } catch (error) {
    authorize = null;
    trouble.textContent = error.message;
  }
}

const byToken = async () => `Bearer ${stored()}`;

if (form) {
  form.hidden = false;
  document.getElementById("open-extension").hidden = !signer();
  form.addEventListener("submit", (submit) => {
    submit.preventDefault();
    store(form.elements.token.value.trim());
    authorize = byToken;
    attempt(() => open(here()));
  });
  document.getElementById("open-extension").addEventListener("click", () => {
    authorize = (url) => proof("GET", url);
    attempt(() => open(here()));
  });
  if (stored()) {
    authorize = byToken;
    attempt(() => open(here()));
  }
}

// Links within the project go on with what opened it.
content.addEventListener("click", (click) => {
  const link = click.target.closest?.("a");
  const path = link && new URL(link.href, location.href);
  if (!authorize || !path || path.pathname !== location.pathname || click.ctrlKey || click.metaKey) return;
  click.preventDefault();
  open(path.href).then(() => {
    history.pushState(null, "", path.href);
    content.focus();
  }, () => { location.href = path.href; });
});
addEventListener("popstate", () => {
  if (authorize) open(here()).catch(() => location.reload());
});
