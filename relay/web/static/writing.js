// Writing posts and comments: what their forms send, where the form for a comment stands, and a quote in it.

import { bring, complain, composes, holdsKeyboard } from "./act.js";
import { attend, sendForm } from "./editor.js";
import { post, renew, target } from "./items.js";

const posting = () => bring("./posting.js");
const answer = document.getElementById("answer");
const write = document.getElementById("write");
const group = () => document.getElementById("posts")?.dataset.group;

const above = () => answer.closest(".comment"); // the comment that is answered; without one it is the post
const place = () => `answer:${above()?.dataset.id ?? post.id}`;
const answering = answer && attend(answer, place);
const composing = write && attend(write, () => `post:${group() ?? ""}`);

// Meanwhile the form may have gone on to another comment, with another draft in it.
async function sendComment() {
  const under = above();
  const at = place();
  const event = await (await posting()).writeComment(post, under ? target(under) : post, answer.elements.content.value);
  answering.sent(at);
  if (above() === under) {
    answer.reset();
    home(false);
  }
  renew([event.id, post.id], true);
}

async function sendPost() {
  const given = Object.fromEntries(new FormData(write));
  const event = await (await posting()).writePost({ ...given, url: given.url.trim(), group: group() });
  composing.sent();
  write.reset();
  write.parentElement.open = false;
  renew([event.id], true);
}

export const send = (form) => sendForm(form, form === answer ? sendComment : sendPost);

// The one form for a comment moves under what it answers, a comment or else the post, and has a draft for each.
function move(comment) {
  const before = above();
  if (before === comment) return;
  answering.leave();
  if (comment) comment.querySelector(".body").append(answer);
  else document.querySelector(".thread .head").after(answer);
  answer.querySelector("[data-cancel]").hidden = !comment;
  complain(answer);
  answering.restore();
  history.replaceState({ ...history.state, under: comment?.dataset.id }, ""); // for who comes back (feed.js)
  if (before?.classList.contains("gone")) renew([before.dataset.id]); // it stayed for what was written
}

// The form stands where its owner left it, with what they wrote.
export function resume(comment) {
  if (comment && !answer.elements.content.value && holdsKeyboard()) move(comment);
}

export function home(focus) {
  const comment = above();
  if (focus) turn += 1;
  move(null);
  if (focus) comment?.querySelector("[data-reply]").focus();
}

const marked = (text) => text.trim().split("\n").map((line) => `> ${line}`.trimEnd()).join("\n");

// What is selected of an item.
function selection(item) {
  const chosen = getSelection();
  const inside = chosen.rangeCount && item.querySelector("[data-part=text]").contains(chosen.getRangeAt(0).commonAncestorContainer);
  return inside ? chosen.toString().trim() : "";
}

let turn = 0; // of the newest wish to answer something

// With `quoting`, what is selected of it, or else all that it says, stands before the answer.
export async function reply(item, quoting) {
  const mine = ++turn;
  const words = quoting && (selection(item) || (await (await posting()).source(target(item))));
  const under = item.matches(".comment") ? item : null;
  const writes = answer.elements.content.value && answer.contains(document.activeElement);
  if (mine !== turn || (words && writes && above() !== under)) return; // its writer went on elsewhere meanwhile
  move(under);
  if (!words || holdsKeyboard(item)) answer.elements.content.focus();
  if (words) answering.add(marked(words));
  answer.scrollIntoView({ block: "nearest" });
}

answer?.addEventListener("keydown", (key) => {
  if (key.key === "Escape" && !composes(key) && above()) home(true);
});
