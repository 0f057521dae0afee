// The rooms of who has nothing but a signer, by what the relay says of them over the WebSocket.

import { me } from "./me.js";
import { ask, begin } from "./wire.js";

export async function rooms() {
  begin();
  const places = await ask({ kinds: [9000, 9001], "#p": [me.own], limit: 500 });
  places.sort((a, b) => a.created_at - b.created_at);
  const kept = new Map(places.map((event) => [event.tags.find((tag) => tag[0] === "h")?.[1], event.kind]));
  const ids = [...kept.keys()].filter((id) => id && kept.get(id) === 9000).slice(-100);
  if (!ids.length) return [];
  const events = await ask({ kinds: [39000], "#d": ids, limit: ids.length });
  return events.map(({ tags }) => {
    const value = (name) => tags.find((tag) => tag[0] === name)?.[1];
    const kinds = tags.find((tag) => tag[0] === "supported_kinds")?.slice(1).map(Number);
    return { id: value("d"), name: value("name"), type: value("type") ?? "thread", parent: value("parent"), kinds };
  });
}
