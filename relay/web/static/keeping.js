// What the menu of an item offers beside writing: save, hide, follow, mute, report. A button that was pressed offers the opposite.

import { act, toast } from "./act.js";
import * as away from "./away.js";

const lists = () => import("./lists.js");

const author = (item) => ({
  id: item.dataset.author,
  pubkey: item.dataset.pubkey,
  name: item.querySelector(".author bdi")?.textContent ?? "them",
});

// Presses a button that has two sides. `words` are those of the other side, `on` and `off` what is said when it is done, `then`
// sends it, and `here` shows it on this page.
function toggle(button, { words, on, off, then, here = () => {} }) {
  const before = button.textContent;
  const was = "done" in button.dataset;
  const set = (done, text) => {
    button.textContent = text;
    button.toggleAttribute("data-done", done);
    here(done);
  };
  return act(button, {
    now: () => set(!was, words(was)),
    then: async () => {
      const answer = await then(await lists(), !was);
      if (!answer) throw new Error("Nothing was changed.");
      toast(was ? off : on);
      return answer;
    },
    undo: () => set(was, before),
  });
}

export const save = (button, item) => toggle(button, {
  words: (was) => (was ? "Save" : "Remove from saved"),
  on: "Saved. It is on your page of what you saved.",
  off: "Saved no more.",
  then: ({ save: keep, unsave }, done) => (done ? keep(item.dataset.id, item.dataset.pubkey) : unsave(item.dataset.id)),
});

export function followAuthor(button, item) {
  const who = author(item);
  return toggle(button, {
    words: (was) => `${was ? "Follow" : "Unfollow"} ${who.name}`,
    on: `You follow ${who.name}.`,
    off: `You follow ${who.name} no more.`,
    then: ({ follow, unfollow }, done) => (done ? follow : unfollow)(who),
  });
}

export function muteAuthor(button, item) {
  const who = author(item);
  return toggle(button, {
    words: (was) => `${was ? "Mute" : "Unmute"} ${who.name}`,
    on: `You muted ${who.name}: what they write is put away for you.`,
    off: `${who.name} is muted no more.`,
    then: ({ mute, unmute }, done) => (done ? mute : unmute)(who),
    here: (done) => (done ? away.mute : away.unmute)(who.pubkey),
  });
}

export const hide = (_button, item) => away.hide(item.dataset.id);

export async function report(button, item) {
  const { ask } = await import("./reporting.js");
  const what = item.dataset.kind === "11" ? "post" : "comment";
  await ask({ event: item.dataset.id, pubkey: item.dataset.pubkey, what }, button);
}
