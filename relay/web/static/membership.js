// Joining a group and leaving it. `onStanding` tells of one's roles in it: null where one is no member.

import { act, bring, complain } from "./act.js";
import { moderates, standing } from "./standing.js";
import { needWriter, ready } from "./who.js";

const form = document.getElementById("membership");
const button = form.querySelector("button");
const code = form.elements.code;
const group = form.dataset.group;
const listeners = [];

let roles = null;
let turn = 0; // of the newest question: what was asked before says nothing any more, nor what was asked before somebody pressed the button
if (code) code.value = new URLSearchParams(location.search).get("code") ?? ""; // an invite's link

export const onStanding = (listener) => listeners.push(listener);

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
  document.body.classList.toggle("moderates", moderates(roles));
  if (roles?.length || document.querySelector(".tending").childElementCount) bring("./inviting.js").then(({ offer }) => offer(form, roles ?? []));
  const reported = document.getElementById("reported"); // for those who moderate
  if (reported) reported.hidden = !moderates(roles);
  for (const listener of listeners) listener(roles);
}

export async function lookAgain() {
  const mine = ++turn;
  const found = await standing(group).catch(() => roles);
  if (mine !== turn) return;
  roles = found;
  show();
}

// Shown at once; who is in it is asked for once the relay has answered.
function move() {
  const joins = button.textContent === "Join";
  return act(button, {
    now: () => {
      turn += 1;
      name(joins);
    },
    then: async () => {
      const { joinGroup, leaveGroup } = await bring("./groups.js");
      if (joins) await joinGroup(group, code?.value.trim());
      else await leaveGroup(group);
      await lookAgain();
    },
    undo: () => {
      show();
      lookAgain().then(() => joins === (roles !== null) && complain(button)); // it is done, and its answer got lost
    },
  });
}

form.addEventListener("submit", (submit) => {
  submit.preventDefault();
  needWriter(move);
});

ready().then(() => {
  lookAgain();
  for (const each of ["who", "moved"]) addEventListener(each, lookAgain);
});
