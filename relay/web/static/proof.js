// The signed event behind an item, checked by this browser. Loaded when somebody asks.

import { words } from "./act.js";
import { api } from "./api.js";
import { make, open } from "./dialog.js";
import { me } from "./me.js";
import { check } from "./verify.js";
import { ask, begin } from "./wire.js";

const WORDS = { true: "✓", false: "✗", null: "?", undefined: "·" };

function element(name, text, attributes = {}) {
  const made = Object.assign(document.createElement(name), attributes);
  if (text) made.textContent = text;
  return made;
}

function row(good, text) {
  const made = element("li", "", { className: good == null ? "unknown" : good ? "good" : "bad" });
  made.append(element("span", WORDS[good], { className: "verdict" }), ` ${text}`);
  return made;
}

async function verdicts(event, id) {
  const { hash, signature } = await check(event);
  const custody = event.tags.find((tag) => tag[0] === "custody");
  const rows = [
    hash === null
      ? row(null, "This browser computes hashes over HTTPS only, so it could not check the id.")
      : row(hash && event.id === id, hash ? "The id is the hash of what the event says." : "The id is not the hash of what the event says."),
  ];
  if (signature !== null) {
    rows.push(row(signature, signature ? "The signature is the author's key's." : "The signature does not fit the author's key."));
  }
  if (custody) rows.push(row(undefined, "The relay keeps this key for the author, and signed on their order."));
  return [rows, (hash ?? true) && (signature ?? true) && event.id === id, hash === null];
}

// Where readers are asked who they are, the WebSocket knows nobody by an API key.
async function asked(id) {
  try {
    return await ask({ ids: [id], limit: 1 });
  } catch (error) {
    if (!me.token) throw error;
    return [(await api("GET", `/events/${id}`)).event];
  }
}

// `given` gives the events where the relay answers no REQ with them.
export async function show(id, given) {
  const { dialog, body } = make("proof", "The signed event");
  const state = element("p", "Checking …", { className: "state" });
  state.setAttribute("role", "status");
  body.replaceChildren(state);
  open(dialog);
  begin(); // not every page listens
  try {
    const found = await (given?.() ?? asked(id));
    const event = found.find((each) => each.id === id);
    if (!event) throw new Error("The event is not here any more.");
    const [rows, good, unknown] = await verdicts(event, id);
    if (!state.isConnected) return; // another one was asked for meanwhile
    state.textContent = unknown ? "Not checked" : good ? "Verified by this browser" : "This does not verify";
    state.classList.add(unknown ? "unknown" : good ? "good" : "bad");
    const list = element("ul", "", { className: "verdicts" });
    list.append(...rows);
    if (document.querySelector(`.item[data-id="${CSS.escape(id)}"] [data-part=edited]`)?.textContent) {
      list.append(row(undefined, "What is shown is a later edit, which is an event of its own (kind 1010)."));
    }
    const code = element("pre", JSON.stringify(event, null, 2));
    code.tabIndex = 0;
    body.append(list, code);
  } catch (error) {
    state.textContent = words(error);
    state.classList.add("bad");
  }
}
