// The search box in the bar: looks while one types. What is found is drawn by the relay (`/found`); no text of a stranger is
// ever put together with markup here.

import { composes } from "./act.js";

const PAUSE = 120; // milliseconds without a key before the relay is asked
const SHORTEST = 2; // characters

const form = document.getElementById("find");
const field = form.elements.q;
const panel = document.getElementById("found");
const number = document.getElementById("found-number");

let timer = 0;
let turn = 0; // of the newest question: answers to older ones come too late
let asked = field.defaultValue.trim();

const links = () => [...panel.querySelectorAll("a")];

function show(found) {
  panel.replaceChildren(...(found ? [found] : []));
  panel.hidden = !found;
  const hits = panel.querySelectorAll(".hit").length;
  number.textContent = found ? `${hits || "No"} ${hits === 1 ? "result" : "results"}` : "";
}

async function look() {
  const q = field.value.trim();
  if (q === asked) return;
  asked = q;
  const mine = ++turn;
  if (q.length < SHORTEST) return show(null);
  const found = await ask(field.value).catch(() => null);
  if (mine !== turn) return;
  const walked = panel.contains(document.activeElement) && document.activeElement.getAttribute("href");
  show(found);
  if (walked) (links().find((link) => link.getAttribute("href") === walked) ?? field).focus(); // whoever walks through them goes on
}

async function ask(q) {
  const response = await fetch(`/found?${new URLSearchParams({ q })}`, { headers: { accept: "text/html" } });
  if (!response.ok) return null;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  return document.adoptNode(page.body.firstElementChild);
}

function close() {
  clearTimeout(timer);
  turn += 1;
  asked = "";
  show(null);
}

field.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(look, PAUSE);
});

// Arrows walk through what was found, Escape puts it away.
form.addEventListener("keydown", (key) => {
  if (composes(key)) return;
  if (key.key === "Escape") {
    const isShown = !panel.hidden;
    close(); // also what is asked for and not here yet
    if (!isShown) return;
    key.preventDefault();
    field.focus();
  } else if ((key.key === "ArrowDown" || key.key === "ArrowUp") && !panel.hidden) {
    key.preventDefault();
    const stops = [field, ...links()];
    const at = stops.indexOf(document.activeElement) + (key.key === "ArrowDown" ? 1 : -1);
    stops[(at + stops.length) % stops.length].focus();
  }
});
form.addEventListener("focusout", (event) => {
  if (event.relatedTarget && !form.contains(event.relatedTarget)) close();
});
addEventListener("click", (event) => {
  if (!form.contains(event.target)) close();
});
form.addEventListener("submit", (submit) => {
  if (!field.value.trim()) submit.preventDefault();
});

if (document.activeElement === field) look(); // what was typed while this was loaded
