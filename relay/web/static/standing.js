// How one stands to a group: one's roles in it, null where one is no member.

import { api } from "./api.js";
import { me } from "./me.js";
import { ask, begin } from "./wire.js";

const MODERATORS = ["owner", "admin", "moderator"];

// Whether who has these roles removes what others write, pins and invites.
export const moderates = (roles) => Boolean(roles?.some((role) => MODERATORS.includes(role)));

// As the relay tells whoever writes from this browser.
export async function standing(group) {
  if (me.token) return (await api("GET", `/groups/${encodeURIComponent(group)}`)).group.your_roles;
  if (!me.own) return null;
  begin();
  const [newest] = await ask({ kinds: [9000, 9001], "#h": [group], "#p": [me.own], limit: 1 });
  return newest?.kind === 9000 ? newest.tags.find((tag) => tag[0] === "p" && tag[1] === me.own).slice(2) : null;
}
