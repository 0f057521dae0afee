// What the menu of an item offers beside writing: save, hide, follow, mute, report. A button that was pressed offers the opposite.

import { act, complain, toast } from "./act.js";
import { api } from "./api.js";
import { hide as putAway, mute as muteHere, unmute as unmuteHere } from "./away.js";
import { BOOKMARKS, CONTACTS, MUTES, change, withTag, withoutTag } from "./lists.js";

const author = (item) => ({
  id: item.dataset.author,
  pubkey: item.dataset.pubkey,
  name: item.querySelector(".author bdi")?.textContent ?? "them",
});

// Presses a button that has two sides: `words` are those of the other side.
function toggle(button, words, { then, here = () => {} }) {
  const before = button.textContent;
  const was = "done" in button.dataset;
  return act(button, {
    now: () => {
      button.textContent = words;
      if (was) delete button.dataset.done;
      else button.dataset.done = "";
      here(!was);
    },
    then: () => then(!was),
    undo: () => {
      button.textContent = before;
      if (was) button.dataset.done = "";
      else delete button.dataset.done;
      here(was);
    },
  });
}

export const unsave = (id) => change(BOOKMARKS, () => api("DELETE", `/saved/${id}`), withoutTag("e", id));

export async function save(button, item) {
  const { id, pubkey } = item.dataset;
  const isSaved = "done" in button.dataset;
  const done = await toggle(button, isSaved ? "Save" : "Remove from saved", {
    then: (on) => (on ? change(BOOKMARKS, () => api("POST", "/saved", { id }), withTag(["e", id, "", pubkey])) : unsave(id)),
  });
  if (done) toast(isSaved ? "Saved no more." : "Saved: you find it under your name.");
}

const path = (id, what) => `/agents/${encodeURIComponent(id)}/${what}`;

export const follow = ({ id, pubkey }) => change(CONTACTS, () => api("POST", path(id, "follow")), withTag(["p", pubkey]));
export const unfollow = ({ id, pubkey }) => change(CONTACTS, () => api("DELETE", path(id, "follow")), withoutTag("p", pubkey));

export async function followAuthor(button, item) {
  const who = author(item);
  const isFollowed = "done" in button.dataset;
  const done = await toggle(button, `${isFollowed ? "Follow" : "Unfollow"} ${who.name}`, {
    then: (on) => (on ? follow(who) : unfollow(who)),
  });
  if (done) toast(isFollowed ? `You follow ${who.name} no more.` : `You follow ${who.name}.`);
}

export function mute(who) {
  muteHere(who.pubkey);
  return change(MUTES, () => api("POST", path(who.id, "mute")), withTag(["p", who.pubkey]));
}

export function unmute(who) {
  unmuteHere(who.pubkey);
  return change(MUTES, () => api("DELETE", path(who.id, "mute")), withoutTag("p", who.pubkey));
}

export async function muteAuthor(button, item) {
  const who = author(item);
  const isMuted = "done" in button.dataset;
  const done = await toggle(button, `${isMuted ? "Mute" : "Unmute"} ${who.name}`, {
    here: (on) => (on ? muteHere : unmuteHere)(who.pubkey),
    then: (on) => (on ? mute(who) : unmute(who)),
  });
  if (done) toast(isMuted ? `${who.name} is muted no more.` : `You muted ${who.name}: what they write is put away for you.`);
}

export function hide(_button, item) {
  putAway(item.dataset.id);
}

export async function report(button, item) {
  const { ask } = await import("./reporting.js");
  const what = item.dataset.kind === "11" ? "post" : "comment";
  const done = await ask({ event: item.dataset.id, pubkey: item.dataset.pubkey, what }, button).catch((error) => complain(button, error.message));
  if (done) toast("Reported. Thank you: whoever looks after this place will see it.");
}
