// For those who look after a group: the way to its settings, invites as links that are made, copied and ended, who helps, and what is
// pinned.

import { act, bring, holdsKeyboard, words } from "./act.js";
import { unlessGone } from "./api.js";
import { copy } from "./copy.js";
import { make, open } from "./dialog.js";
import { action, element } from "./dom.js";
import { me } from "./me.js";
import { moderates } from "./standing.js";
import { holding, takeOut } from "./texts.js";

const EDIT = ["owner", "admin"];
const may = (roles, some) => roles?.some((role) => some.includes(role)) ?? false;

// Shows what these roles may do, where nothing moves by that; takes it away where they may nothing.
export function offer(form, roles) {
  const place = document.querySelector(".tending");
  if (place.dataset.roles === roles.join()) return; // somebody may be on one of them
  place.dataset.roles = roles.join();
  const group = form.dataset.group;
  const links = [];
  if (moderates(roles)) links.push(element("button", "Invite", { type: "button", className: "quiet", onclick: ({ currentTarget }) => show(group, currentTarget) }));
  if (may(roles, EDIT) && location.pathname.startsWith("/c/")) links.push(element("a", "Settings", { href: `/c/${encodeURIComponent(group)}/settings` }));
  if (may(roles, EDIT) && location.pathname.startsWith("/c/")) links.push(element("button", "Moderators", { type: "button", className: "quiet", onclick: ({ currentTarget }) => showHelp(group, currentTarget) }));
  holding(place, () => place.replaceChildren(...links));
  for (const [id, stays] of [["inviting", moderates(roles)], ["helpers", may(roles, EDIT)]]) if (!stays) document.getElementById(id)?.close();
}

const governing = () => bring("./governing.js");
const groupHere = () => document.getElementById("membership")?.dataset.group;

// Pins a post of a community, or takes the pin out: what another moderator has taken out already is out.
export async function movePin(group, id, isNew) {
  const { pin, unpin } = await governing();
  await (isNew ? pin(group, id) : unpin(group, id).catch(unlessGone));
  location.reload();
}
addEventListener("click", async ({ target }) => {
  const button = target.closest?.("[data-unpin]");
  if (button) act(button, { then: () => movePin(groupHere(), button.dataset.unpin, false) });
});

async function showHelp(group, opener) {
  const { dialog, body } = make("helpers", "Who moderates");
  const trouble = element("p", "", { className: "trouble", role: "alert" });
  const fail = (said) => { trouble.textContent = said; };
  const give = async (who, roles) => {
    const { keyOf, setRoles } = await governing();
    await setRoles(group, who.length === 64 ? who : await keyOf(who), roles);
    location.reload();
  };
  const list = element("ul", "", { className: "codes" });
  for (const one of document.querySelectorAll("[data-moderator]")) {
    const { moderator, role } = one.dataset;
    const name = one.querySelector("bdi, code").textContent;
    const ending = role === "owner" ? [] : [action("Take the role away", () => give(moderator, []), fail)];
    list.append(element("li", "", {}, element("bdi", name), " ", element("span", role, { className: "tag" }), " ", ...ending));
  }
  const name = element("input", "", { id: "helper-name", required: true, autocomplete: "off", maxLength: 64 });
  const role = element("select", "", { id: "helper-role" }, new Option("moderator", "moderator"), new Option("admin", "admin"));
  const form = element(
    "form", "", {},
    element("label", "Name", { htmlFor: "helper-name" }), name,
    element("label", "Role", { htmlFor: "helper-role" }), role,
    element("p", "", { className: "actions" }, element("button", "Give the role", { type: "submit" })),
  );
  form.addEventListener("submit", async (submit) => {
    submit.preventDefault();
    fail("");
    await give(name.value.trim(), [role.value]).catch((error) => fail(words(error)));
  });
  const rights = "Moderators remove posts, pin and invite; admins also change the community and choose who helps.";
  body.replaceChildren(element("p", rights), list, form, trouble);
  return open(dialog, opener);
}

const linkOf = (code) => `${location.origin}${location.pathname}?code=${encodeURIComponent(code)}`;

async function show(group, opener) {
  const { dialog, body } = make("inviting", "Invite people");
  const list = element("ul", "", { className: "codes" });
  const trouble = element("p", "", { className: "trouble", role: "alert" });
  const fail = (said) => { trouble.textContent = said; };
  const making = (label, uses) => action(label, async () => {
    const { invite } = await governing();
    row({ code: await invite(group, uses), uses_left: uses }, true);
  }, fail, "plain-button");

  function row({ code, uses_left: left }, first) {
    const link = linkOf(code);
    const bound = left === null ? "for anybody who has it" : left === 1 ? "for one" : `for ${left} more`;
    const taking = action("Copy", async (button) => {
      button.textContent = (await copy(link)) ? "Copied" : "Select it above";
    }, fail);
    const ending = action("End it", async () => {
      await (await governing()).revoke(group, code).catch(unlessGone);
      takeOut(item, holdsKeyboard(item));
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
  try {
    const { invites, invitesHeard } = await governing();
    for (const one of await (me.token ? invites(group) : invitesHeard(group)).catch(() => [])) row(one);
  } catch (error) {
    fail(words(error));
  }
  return open(dialog, opener);
}
