// The rooms that this browser's reader is in, those of an organization together.

import { bring } from "./act.js";
import { api } from "./api.js";
import { me, ready } from "./who.js";

const MOST = 5; // pages of rooms
const nav = document.getElementById("rooms");
const none = document.getElementById("rooms-none");
const marked = new Set(); // rooms in which something was said
const here = document.getElementById("messages")?.dataset.group;

const takesMessages = (room) => !room.kinds || room.kinds.includes(9);

async function overApi() {
  const found = [];
  for (let cursor = "", at = 0; at < MOST && cursor !== null; at++) {
    const page = await api("GET", `/groups?mine=true&limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    for (const { id, name, type, parent, supported_kinds, home } of page.groups) found.push({ id, name, type, parent, home, kinds: supported_kinds });
    cursor = page.next_cursor;
  }
  return found;
}

// Under the name of what is above all of them, as far as one is in it.
function grouped(found) {
  const byId = new Map(found.map((room) => [room.id, room]));
  const above = (room) => {
    let top = room;
    for (let level = 0; level < 8 && byId.has(top.parent); level++) top = byId.get(top.parent);
    return top;
  };
  const sections = new Map();
  const heads = new Set(found.filter((room) => above(room) !== room).map((room) => above(room).id));
  for (const room of found.filter(takesMessages)) {
    const top = above(room);
    const key = room.type === "thread" && top === room && !heads.has(room.id) ? "" : top.id;
    sections.set(key, [...(sections.get(key) ?? []), room]);
  }
  const named = (id) => byId.get(id)?.name || id;
  return [...sections].map(([id, rooms]) => ({
    title: id === "" ? "Your rooms" : named(id),
    rooms: rooms.sort((a, b) => (a.name || a.id).localeCompare(b.name || b.id)),
  })).sort((a, b) => (b.title === "Your rooms") - (a.title === "Your rooms") || a.title.localeCompare(b.title));
}

const element = (name, text = "") => Object.assign(document.createElement(name), { textContent: text, dir: "auto" });

function draw(found) {
  nav.replaceChildren(...grouped(found).flatMap(({ title, rooms }) => {
    const list = document.createElement("ul");
    list.append(...rooms.map((room) => {
      const link = element("a", room.name || room.id);
      link.href = `/chat/${encodeURIComponent(room.id)}`;
      link.dataset.room = room.id;
      if (room.id === here) link.setAttribute("aria-current", "page");
      const item = document.createElement("li");
      item.append(link);
      if (room.home) item.append(" ", Object.assign(element("small", `at home at ${room.home}`), { className: "home" }));
      return item;
    }));
    return [element("h2", title), list];
  }));
  nav.hidden = !nav.childElementCount;
  marked.forEach(mark); // perhaps before they stood here
}

// Something was said in another room.
export function mark(id) {
  marked.add(id);
  const link = nav.querySelector(`[data-room="${CSS.escape(id)}"]`);
  if (!link || link.querySelector(".new")) return;
  const dot = element("span", "new");
  dot.className = "new tag";
  link.append(" ", dot);
}

export async function showRooms() {
  await ready();
  if (!me.token && !me.own) return;
  const found = await (me.token ? overApi() : bring("./signed-rooms.js").then(({ rooms }) => rooms())).catch(() => null);
  if (!found) return;
  draw(found);
  if (none) none.hidden = !nav.hidden;
}

showRooms();
