// What one says in a room: a message, an answer, or one's own said anew. What is typed is kept until it is said.

import { bring, composes, words } from "./act.js";
import { off } from "./dom.js";
import { learn, recall, renew } from "./drawing.js";
import { arrive } from "./hearing.js";
import { field, find, form, room, target } from "./messages.js";
import { edit, texts } from "./sources.js";
import { me, needWriter } from "./who.js";
import { now, soon } from "./wire.js";

const answering = document.getElementById("answering");

let above = null; // the message that is being answered
let changing = null; // the message of one's own that is being edited, and since when it says what it says
let wished = 0; // how often one to edit was: what comes of an earlier wish comes too late
let aside = ""; // what was typed before that
let keepDraft = () => {};

// Does what a control asks for, which is switched off meanwhile; what goes wrong is said below the form.
export async function attempt(control, work) {
  const trouble = form.querySelector(".trouble");
  trouble.textContent = "";
  const message = control.closest(".message");
  const on = off(control, () => message?.querySelector("[data-react]")); // where a reaction was the last of its kind
  try {
    await work();
  } catch (error) {
    trouble.textContent = words(error);
  } finally {
    on();
  }
}

// Answers a message, or with null nothing; what stood in the field before an edit began stands there again.
export function answer(item, focus = true) {
  if (changing) field.value = aside;
  changing = null;
  above = item && target(item);
  answering.hidden = !item;
  if (item) answering.firstElementChild.textContent = `Answering ${item.querySelector(".author bdi").textContent}`;
  if (focus) field.focus();
}

export function cancel() {
  if (above || changing) answer(null);
}

// What it says now comes into the form, to be changed there.
export async function change(item) {
  const id = item.dataset.id;
  const mine = ++wished;
  await learn([id]);
  if (mine !== wished) return;
  const text = texts.get(id) ?? { content: recall(id)?.content ?? "", updated_at: 0 };
  edits({ ...target(item), since: Math.max(text.updated_at, Number(item.dataset.at)) }, text.content);
}

function edits(message, content) {
  answer(null, false);
  aside = field.value;
  field.value = content;
  changing = message;
  answering.firstElementChild.textContent = "Editing your message";
  answering.hidden = false;
}

// What is typed while it is under way is the next message; what failed stands before that again.
async function send(content) {
  const [to, edited, since] = [above, changing, now()];
  let sent;
  if (!edited) field.value = "";
  answer(null, false);
  keepDraft();
  try {
    const { say, editMessage } = await bring("./groups.js");
    sent = await (edited ? editMessage(room.id, edited, content, edited.since) : say(room.id, content, to));
  } catch (error) {
    sent = edited || error.status ? null : await heard(content, since);
    if (sent) return arrive([sent], true);
    putBack(content, edited, to && find(to.id));
    keepDraft();
    throw error;
  }
  if (!edited) return arrive([sent], true);
  edit(edited.id, content, sent.message ? Math.floor(Date.parse(sent.message.updated_at) / 1000) : Math.max(now(), edited.since + 1));
  return renew([edited.id]);
}

// One's own message that is there, although no answer said so.
async function heard(content, since) {
  const { events } = await soon(room.source.page(null)).catch(() => ({ events: [] }));
  return events.find((event) => event.content === content && event.created_at >= since - 1 && me.keys.has(event.pubkey));
}

function putBack(content, edited, answered) {
  const before = (text) => [content, text].filter(Boolean).join("\n");
  if (changing) aside = before(aside);
  else if (edited) edits(edited, content);
  else {
    field.value = before(field.value);
    if (answered && !above) answer(answered);
  }
}

// Enter sends, Shift and Enter begin a line; on glass the button sends.
field.addEventListener("keydown", (key) => {
  if (key.key !== "Enter" || key.shiftKey || composes(key) || matchMedia("(pointer: coarse)").matches) return;
  key.preventDefault();
  form.requestSubmit();
});
form.addEventListener("submit", (submit) => {
  submit.preventDefault();
  field.focus();
  if (field.value.trim()) needWriter(() => attempt(form.querySelector("[type=submit]"), () => send(field.value)));
});

// What was typed here before stands in the field again, and is kept from now on; without `drafts` the room is as it was.
export function resume({ follow, joined, read }) {
  const draft = read(`chat:${room.id}`)?.content ?? "";
  if (changing) aside = joined(draft, aside);
  else field.value = joined(draft, field.value);
  keepDraft = follow(field, `chat:${room.id}`, () => (changing ? aside : field.value));
  if (field.value) keepDraft(); // typed before this script was there
}
