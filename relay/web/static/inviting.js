// For those who look after a group: the way to its settings, and invites as links that are made, copied and ended.

import { copy } from "./copy.js";
import { make, open } from "./dialog.js";
import { action, element } from "./dom.js";
import { me } from "./me.js";

const INVITE = ["owner", "admin", "moderator"];
const EDIT = ["owner", "admin"];
const may = (roles, some) => roles?.some((role) => some.includes(role)) ?? false;

// Shows what these roles may do beside the form of a membership; takes it away where they may nothing.
export function offer(form, roles) {
  let place = form.parentElement.querySelector(".tending");
  if (!place) form.after(place = element("p", "", { className: "tending" }));
  const group = form.dataset.group;
  const links = [];
  if (may(roles, INVITE)) links.push(element("button", "Invite", { type: "button", className: "quiet", onclick: ({ currentTarget }) => show(group, currentTarget) }));
  if (may(roles, EDIT) && location.pathname.startsWith("/c/")) links.push(element("a", "Settings", { href: `/c/${encodeURIComponent(group)}/settings` }));
  place.replaceChildren(...links);
  place.hidden = !links.length;
}

const linkOf = (code) => `${location.origin}${location.pathname}?code=${encodeURIComponent(code)}`;

async function show(group, opener) {
  const { dialog, body } = make("inviting", "Invite people");
  const list = element("ul", "", { className: "codes" });
  const trouble = element("p", "", { className: "trouble", role: "alert" });
  const fail = (words) => { trouble.textContent = words; };
  const making = (words, uses) => action(words, async () => {
    const { invite } = await import("./governing.js");
    row({ code: await invite(group, uses), uses_left: uses }, true);
  }, fail, "plain-button");

  function row({ code, uses_left: left }, first) {
    const link = linkOf(code);
    const bound = left === null ? "for anybody who has it" : left === 1 ? "for one" : `for ${left} more`;
    const taking = action("Copy", async (button) => {
      button.textContent = (await copy(link)) ? "Copied" : "Select it above";
    }, fail);
    const ending = action("End it", async () => {
      await (await import("./governing.js")).revoke(group, code);
      item.remove();
    }, fail);
    const item = element("li", "", {}, element("code", link), element("p", "", { className: "meta" }, element("span", bound), taking, ending));
    if (first) list.prepend(item);
    else list.append(item);
  }

  body.replaceChildren(
    element("p", "Whoever opens the link can join. It is good for a week."),
    element("p", "", { className: "actions" }, making("Link for one person", 1), making("Link for anybody", null)),
    trouble,
    list,
  );
  if (me.token) {
    const { invites } = await import("./governing.js");
    for (const one of await invites(group).catch(() => [])) row(one);
  }
  return open(dialog, opener);
}
