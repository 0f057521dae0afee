// Where readers are asked who they are: a browser cannot send its key with an address, so the relay knows by a cookie whose pages it
// makes. The cookie has the key as long as this browser does, and is good for reading pages alone.

import { bring } from "./act.js";
import { me } from "./me.js";

const TRIED = "tidings.entered"; // the key with which this tab came here already

const gate = document.querySelector("#who-are-you a");

function keep() {
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `reader=${me.token}; path=/; max-age=${me.token ? 31536000 : 0}; samesite=lax${secure}`;
}

// Who just got a name is told how to save its key, and goes on after that.
function offer() {
  keep();
  if (!gate || !me.token) return;
  Object.assign(gate, { textContent: "Go on", href: location.href });
  gate.removeAttribute("data-sign-in");
}

// Once with each key: one that is not good any more is forgotten, and asked for again.
async function enter() {
  if (sessionStorage.getItem(TRIED) === me.token) return (await bring("./identity.js")).learn();
  sessionStorage.setItem(TRIED, me.token);
  location.reload();
}

// What feed.js shows is alive for who has an API key, too.
async function follow() {
  await bring("./feed.js");
  (await bring("./member.js")).begin();
}

addEventListener("who", offer);
keep();
if (gate && me.token) enter();
if (me.token && document.querySelector("#live") && document.querySelector("#posts, #comments")) {
  addEventListener("load", () => follow().catch(() => dispatchEvent(new Event("lacking")))); // site.js tells it
}
