// What helps with writing, loaded when somebody begins: a draft that this browser keeps for each place, a preview rendered by
// the relay (preview.js), and shortcuts for Markdown (shortcuts.js).

import { act, bring, complain, holdsKeyboard } from "./act.js";
import { drop, joined, keep, onParting, PAUSE, read } from "./drafts.js";
import { needWriter } from "./who.js";

const CTRL = /Mac|iP/.test(navigator.platform) ? "⌘" : "Ctrl+";
const NEAR = 40; // characters left, from which on they are told

// Sends what a form holds by `work`, which shows nothing before it is done; where it fails, all that was written stays.
export function sendForm(form, work) {
  const button = form.querySelector("[type=submit]");
  const fields = form.querySelectorAll("input, textarea"); // what is typed meanwhile would be neither sent nor kept
  const enable = () => {
    button.disabled = false;
    for (const field of fields) field.readOnly = false;
    if (button.isConnected && holdsKeyboard()) button.focus();
  };
  // It is on its way already where the button is off: keys send a form all the same.
  return needWriter(() => !button.disabled && act(button, {
    now: () => {
      button.disabled = true;
      for (const field of fields) field.readOnly = true;
    },
    then: async () => {
      const done = await work();
      enable();
      return done;
    },
    undo: enable,
  }));
}

// Goes to what `field()` answers once its writer has a name, unless that one is in a field already.
export const goTo = (field) => needWriter(() => {
  if (holdsKeyboard()) field().focus();
});

// The form has what the macro `beneath` of _writing.html makes. `place()` names what it writes: each place has its own draft. Answers `leave` and `restore`, for before and after the form
// moves to another place, `sent`, for when what it held (in a place where it may stand no more) is out, `add`, which puts words before what is written, and `isWanting`, whether its draft chose what is not there yet.
export function attend(form, place) {
  const field = form.elements.content;
  const fields = [...form.querySelectorAll("input[name], textarea[name]")];
  const choices = [...form.querySelectorAll("select[name]")];
  const [shown, button, discard, keys, count] = [".preview", "[data-preview]", "[data-discard]", "[data-keys]", "[role=status]"].map(
    (name) => form.querySelector(name),
  );
  keys.textContent = `Markdown. ${CTRL}B bold, ${CTRL}K link, ${CTRL}E code, ${CTRL}Enter sends`;
  const wanted = new Map(); // a choice -> what the draft says, which is not there to choose yet
  const values = () => Object.fromEntries([...fields, ...choices].map((one) => [one.name, wanted.get(one) ?? one.value]));
  const isNew = () => fields.every((one) => one.value === one.defaultValue);
  const changed = () => !isNew() && fields.some((one) => one.value.trim());
  const preview = () => bring("./preview.js").then(({ toggle }) => toggle(button, field, shown)).catch((error) => complain(button, error));
  let timer = 0;
  let isOwn = false; // typed here, and not out

  const save = () => {
    clearTimeout(timer);
    timer = 0;
    if (changed()) keep(place(), values());
    else drop(place());
  };
  const restore = () => {
    const draft = read(place());
    for (const one of draft && !isOwn ? fields : []) {
      const said = draft[one.name] ?? one.value;
      if (one.value === one.defaultValue) one.value = said;
      else if (one === field) one.value = joined(said, one.value);
    }
    for (const one of isOwn ? wanted.keys() : choices) {
      const said = wanted.get(one) ?? draft?.[one.name];
      const isThere = [...one.options].some(({ value }) => value === said);
      if (isThere) one.value = said;
      if (isThere || !said) wanted.delete(one);
      else wanted.set(one, said);
    }
    discard.hidden = !draft && !changed();
  };
  const leave = () => {
    save();
    isOwn = false;
    wanted.clear();
    if (!shown.hidden) preview();
    for (const one of fields) Object.assign(one, { value: "", readOnly: false });
  };
  const add = (words) => {
    field.value = `${words}\n\n${field.value}`;
    field.setSelectionRange(field.value.length, field.value.length);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const sent = (at = place()) => {
    drop(at);
    if (at !== place()) return;
    clearTimeout(timer);
    timer = 0; // else leaving the page would keep what was sent as a draft
    isOwn = false;
    wanted.clear();
    discard.hidden = true;
    if (!shown.hidden) preview();
  };
  // The page may end before the time is over; and another tab that sent a draft for the same place took this one's with it.
  const part = () => (timer || (isOwn && changed() && !read(place()))) && save();
  form.addEventListener("input", ({ target }) => {
    isOwn = true;
    wanted.delete(target);
    if (target.maxLength > 0) {
      const left = target.maxLength - target.value.length;
      count.textContent = left <= NEAR ? `${left} ${left === 1 ? "character" : "characters"} left for the ${target.name}` : "";
    }
    discard.hidden = !changed();
    clearTimeout(timer);
    timer = setTimeout(save, PAUSE);
  });
  onParting(part);
  bring("./shortcuts.js").then(({ listen }) => listen(field));
  button.addEventListener("click", preview);
  discard.addEventListener("click", () => {
    for (const one of fields) one.value = one.defaultValue;
    sent();
    field.focus();
  });
  if (changed()) timer = setTimeout(save, PAUSE); // typed before this script was there
  restore();
  return { restore, leave, sent, add, save, isWanting: () => wanted.size > 0 };
}
