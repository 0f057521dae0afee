// Joining a group and leaving it. `onStanding` tells of one's roles in it: null where one is no member.

import { api } from "./api.js";
import { me, needWriter, ready } from "./who.js";
import { ask, begin } from "./wire.js";

const form = document.getElementById("membership");
const button = form.querySelector("button");
const code = form.elements.code;
const group = form.dataset.group;
const listeners = [];

let roles = null;
if (code) code.value = new URLSearchParams(location.search).get("code") ?? ""; // an invite's link

export const onStanding = (listener) => listeners.push(listener);

// One's roles in a group, null where one is no member. Says what the relay tells whoever writes from this browser.
async function standing() {
  if (me.token) return (await api("GET", `/groups/${encodeURIComponent(group)}`)).group.your_roles;
  if (!me.own) return null;
  begin();
  const [newest] = await ask({ kinds: [9000, 9001], "#h": [group], "#p": [me.own], limit: 1 });
  return newest?.kind === 9000 ? newest.tags.find((tag) => tag[0] === "p" && tag[1] === me.own).slice(2) : null;
}

function name(member) {
  button.textContent = member ? "Leave" : "Join";
  button.classList.toggle("plain-button", member);
}

function show() {
  const member = roles !== null;
  name(member);
  if (code) {
    code.hidden = member;
    code.required = !member;
  }
  form.hidden = false;
  if (roles?.length) import("./inviting.js").then(({ offer }) => offer(form, roles));
  else document.querySelector(".tending").replaceChildren();
  const reported = document.getElementById("reported"); // for those who moderate
  if (reported) reported.hidden = !roles?.some((role) => ["owner", "admin", "moderator"].includes(role));
  for (const listener of listeners) listener(roles);
}

export async function lookAgain() {
  roles = await standing().catch(() => roles);
  show();
}

// Shown at once; who is in it is asked for once the relay has answered.
async function move() {
  const { act } = await import("./act.js");
  const joins = button.textContent === "Join";
  return act(button, {
    now: () => name(joins),
    then: async () => {
      const { joinGroup, leaveGroup } = await import("./groups.js");
      if (joins) await joinGroup(group, code?.value.trim());
      else await leaveGroup(group);
      await lookAgain();
    },
    undo: show,
  });
}

form.addEventListener("submit", (submit) => {
  submit.preventDefault();
  needWriter(move);
});

ready().then(() => {
  lookAgain();
  addEventListener("who", lookAgain);
});
