// What the menu of an item offers beside writing: save, hide, follow, mute, report. A button that was pressed offers the opposite.

import { act, bring, toast } from "./act.js";
import * as away from "./away.js";
import { element } from "./dom.js";

const lists = () => bring("./lists.js");

const author = (item) => ({
  id: item.dataset.author,
  pubkey: item.dataset.pubkey,
  name: item.querySelector(".author bdi")?.textContent ?? "them",
});

// What a button says that has two sides: `done` where it was pressed.
const SIDES = {
  save: (done) => [done ? "Remove from saved" : "Save"],
  followAuthor: (done, { name }) => [done ? "Unfollow " : "Follow ", element("bdi", name)],
  muteAuthor: (done, { name }) => [done ? "Unmute " : "Mute ", element("bdi", name)],
};

function turn(button, side, done, who) {
  button.replaceChildren(...SIDES[side](done, who));
  button.toggleAttribute("data-done", done);
}

let presses = 0; // what was asked before somebody pressed a button, or while that was on its way, says nothing any more

// The sides of an item's buttons, as its reader stands to it and its author.
export async function tellStanding(item) {
  const before = presses;
  const who = author(item);
  const found = await (await lists()).standing(who, item.dataset.id).catch(() => null);
  if (!found || presses !== before) return;
  for (const [side, done] of Object.entries({ save: found.saved, followAuthor: found.follows, muteAuthor: found.muted })) {
    const button = [...item.querySelectorAll(".menu button")].find((each) => side in each.dataset);
    if (button && done !== ("done" in button.dataset)) turn(button, side, done, who);
  }
}

// Presses a button that has two sides. `on` and `off` are what is said when it is done, `then` sends it, and `here` shows it on
// this page.
function toggle(button, side, who, { on, off, then, here = () => {}, doubt = () => {} }) {
  const was = "done" in button.dataset;
  presses += 1;
  const set = (done) => {
    turn(button, side, done, who);
    here(done);
  };
  return act(button, {
    now: () => set(!was),
    then: async () => {
      const answer = await then(await lists(), !was);
      presses += 1;
      if (!answer) throw new Error("Nothing was changed.");
      toast(was ? off : on);
      return answer;
    },
    undo: () => {
      set(was);
      doubt();
    },
  });
}

export const save = (button, item) => toggle(button, "save", author(item), {
  on: "Saved. It is on your page of what you saved.",
  off: "Saved no more.",
  then: ({ save: keep, unsave }, done) => (done ? keep(item.dataset.id, item.dataset.pubkey) : unsave(item.dataset.id)),
});

export function followAuthor(button, item) {
  const who = author(item);
  return toggle(button, "followAuthor", who, {
    on: `You follow ${who.name}.`,
    off: `You follow ${who.name} no more.`,
    then: ({ follow, unfollow }, done) => (done ? follow : unfollow)(who),
  });
}

export function muteAuthor(button, item) {
  const who = author(item);
  return toggle(button, "muteAuthor", who, {
    on: `You muted ${who.name}: what they write is put away for you.`,
    off: `${who.name} is muted no more.`,
    then: ({ mute, unmute }, done) => (done ? mute : unmute)(who),
    here: (done) => (done ? away.mute : away.unmute)(who.pubkey),
    doubt: away.doubt,
  });
}

export const hide = (_button, item) => away.hide(item.dataset.id);

export async function report(button, item) {
  const { ask } = await bring("./reporting.js");
  const what = item.dataset.kind === "11" ? "post" : "comment";
  await ask({ event: item.dataset.id, pubkey: item.dataset.pubkey, what }, button);
}
