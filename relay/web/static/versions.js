// What a message said before. In a room that is not for everybody no page of its own tells of that: it stands below the message.
// `source` and `pieces` are those of the room.

export async function show(item, source, pieces) {
  const present = item.querySelector(".versions");
  if (present) return present.remove();
  const page = await pieces({ events: await source.history(item.dataset.id) });
  const list = Object.assign(document.createElement("ol"), { className: "versions" });
  for (const version of page.querySelectorAll(".message")) {
    const line = document.createElement("li");
    const at = new Date(Number(version.dataset.at) * 1000).toLocaleString();
    line.append(Object.assign(document.createElement("p"), { className: "meta", textContent: at }), version.querySelector(".prose"));
    list.append(line);
  }
  item.querySelector(".acts").before(list);
}
