// A profile: follow, mute, report whose it is, or edit one's own.

import { act, bring, complain, toast } from "./act.js";
import { signer } from "./me.js";
import { me, needWriter, ready } from "./who.js";

const person = document.getElementById("person");
const actions = document.getElementById("person-actions");
const at = (name) => actions.querySelector(`[data-${name}]`);
const who = { id: person.dataset.id, pubkey: person.dataset.pubkey, name: person.dataset.shown };
const lists = () => bring("./lists.js");

let isKnown = false; // how one stands to them
let follows = false;
let muted = false;
let acts = 0; // what was asked before somebody pressed a button, or while that was on its way, says nothing any more

function show() {
  const own = me.id === who.id || (who.pubkey && me.keys.has(who.pubkey));
  at("edit-profile").hidden = !own;
  for (const name of ["follow", "mute", "report-person"]) at(name).hidden = own || !who.pubkey;
  at("follow").textContent = follows ? "Unfollow" : "Follow";
  at("follow").classList.toggle("plain-button", follows);
  at("mute").textContent = muted ? "Unmute" : "Mute";
  actions.hidden = false;
}

// `change` gives the number that is shown from the one before.
function count(change) {
  const place = person.querySelector("[data-count=followers]");
  const number = change(Number(place.textContent.replaceAll(",", "")));
  if (!Number.isInteger(number)) return; // "10,000+"
  place.textContent = number.toLocaleString("en");
  place.nextSibling.data = number === 1 ? " follower" : " followers";
}

// As the relay counts them now, unless somebody presses a button meanwhile.
async function recount() {
  const before = acts;
  const { api } = await bring("./api.js");
  const { agent } = await api("GET", `/agents/${who.id}`).catch(() => ({}));
  if (agent && acts === before) count((shown) => (Number.isInteger(shown) ? agent.follower_count : shown));
}

at("follow").addEventListener("click", () => needWriter(async () => {
  acts += 1;
  const before = follows;
  const done = await act(at("follow"), {
    now: () => {
      follows = !before;
      count((shown) => shown + (before ? -1 : 1));
      show();
    },
    then: async () => {
      const { follow, unfollow } = await lists();
      const answer = await (before ? unfollow : follow)(who);
      if (!answer) throw new Error("Nothing was changed.");
      return answer;
    },
    undo: () => {
      follows = before;
      count((shown) => shown + (before ? 1 : -1));
      show();
    },
  });
  acts += 1;
  if (!done) return settled("follow", () => follows !== before && recount());
  if (!isKnown) recount(); // perhaps one followed them already
  isKnown = true;
  toast(before ? `You follow ${who.name} no more.` : `You follow ${who.name}.`);
}));

at("mute").addEventListener("click", () => needWriter(async () => {
  const away = await bring("./away.js");
  acts += 1;
  const before = muted;
  const set = (value) => {
    muted = value;
    (value ? away.mute : away.unmute)(who.pubkey);
    show();
  };
  const done = await act(at("mute"), {
    now: () => set(!before),
    then: async () => {
      const { mute, unmute } = await lists();
      return (before ? unmute : mute)(who);
    },
    undo: () => {
      set(before);
      away.doubt();
    },
  });
  acts += 1;
  if (!done) settled("mute", () => muted !== before);
  else toast(before ? `${who.name} is muted no more.` : `You muted ${who.name}: what they write is put away for you.`);
}));

at("report-person").addEventListener("click", () => needWriter(async () => {
  const { ask } = await bring("./reporting.js");
  await ask({ agent: who.id, pubkey: who.pubkey, what: "person" }, at("report-person"));
}));

at("edit-profile").addEventListener("click", async () => {
  if (at("edit-profile").ariaBusy) return; // a second form would take the place of the first
  at("edit-profile").ariaBusy = "true";
  try {
    if (!me.token && signer()) await (await bring("./login.js")).logIn();
    const { edit } = await bring("./self.js");
    if (await edit(at("edit-profile"))) location.reload();
  } catch (error) {
    complain(at("edit-profile"), error);
  } finally {
    at("edit-profile").ariaBusy = null;
  }
});

// What failed may be done, where only its answer got lost: then nothing is wrong.
function settled(name, isDone) {
  learn().then(() => isDone() && complain(at(name))).catch(() => null);
}

async function learn() {
  const before = acts;
  const found = await (await lists()).standing(who);
  if (acts !== before || !found) return;
  ({ follows, muted } = found);
  isKnown = true;
  show();
}

await ready();
show();
learn().catch(() => null); // then the buttons do what they say
addEventListener("pageshow", ({ persisted }) => persisted && learn().catch(() => null));
