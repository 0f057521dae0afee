// Joining a group and leaving it. `onStanding` tells of one's roles in it: null where one is no member.

import { canWrite, joinGroup, leaveGroup, restore, standing } from "./account.js";

const form = document.getElementById("membership");
const button = form.querySelector("button");
const code = form.elements.code;
const trouble = form.querySelector(".trouble");
const group = form.dataset.group;
const listeners = [];

let roles = null;

export const onStanding = (listener) => listeners.push(listener);

function show() {
  const member = roles !== null;
  button.textContent = member ? "Leave" : "Join";
  button.classList.toggle("plain-button", member);
  if (code) {
    code.hidden = member;
    code.required = !member;
  }
  form.hidden = false;
  for (const listener of listeners) listener(roles);
}

export async function lookAgain() {
  roles = await standing(group).catch(() => roles);
  show();
}

form.addEventListener("submit", async (submit) => {
  submit.preventDefault();
  if (!canWrite()) {
    location.href = "/key";
    return;
  }
  trouble.textContent = "";
  button.disabled = true;
  try {
    if (roles === null) await joinGroup(group, code?.value.trim());
    else await leaveGroup(group);
  } catch (error) {
    trouble.textContent = error.message;
  }
  button.disabled = false;
  await lookAgain();
});

restore().then(lookAgain);
