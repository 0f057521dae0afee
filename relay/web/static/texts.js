// Parts of a page that are read again. What is the same stays as it is: what a reader opened in a text (a picture, a "Copied") is no
// news, and neither a selection nor the keyboard is taken from whoever has it there. What opens something in a text keeps its markup
// as the relay sent it (`received`).

const OWN = ["open", "data-touched", "tabindex"]; // attributes that come of what the reader does

export const markup = (part) => part.received ?? part.innerHTML;

const STOPS = "a[href], button, summary, input, textarea, select, [tabindex]";
const stops = (part) => [...part.querySelectorAll(STOPS)].filter((stop) => !stop.disabled && stop.checkVisibility());

// Does what takes elements out of `part`: where the keyboard was on one of them it goes on from the same one that came in its place, or else
// from the one that has its number, or from the first of the item.
export function holding(part, change) {
  const held = part?.contains(document.activeElement) ? document.activeElement : null;
  const at = held ? stops(part).indexOf(held) : -1;
  change();
  if (!held || document.activeElement === held) return;
  const there = stops(part);
  const isSame = (stop) => stop.outerHTML === held.outerHTML || (held.dataset.key && stop.dataset.key === held.dataset.key);
  const next = part.isConnected && (held.isConnected ? held : there.find(isSame) ?? there[Math.min(at, there.length - 1)]);
  (next || stops(part.parentElement?.closest("[data-id], main") ?? document.body)[0])?.focus({ preventScroll: true });
}

// Takes an item out of a list. A keyboard that was in it (`isHeld`) goes on from what stands next to it.
export function takeOut(item, isHeld = item.contains(document.activeElement)) {
  const beside = [item.nextElementSibling, item.previousElementSibling, item.closest("dialog, main")];
  item.remove();
  if (isHeld) beside.flatMap((each) => (each ? stops(each) : []))[0]?.focus({ preventScroll: true });
}

// Makes these the nodes in a place. What is there already is not touched where it need not be.
export function arrange(place, nodes) {
  const wanted = new Set(nodes);
  for (const node of [...place.childNodes]) if (!wanted.has(node)) node.remove();
  for (const [at, node] of nodes.entries()) if (place.childNodes[at] !== node) place.insertBefore(node, place.childNodes[at] ?? null);
}

const isLike = (one, other) => one.nodeName === other.nodeName && one.dataset?.id === other.dataset?.id;

// What is in `before` says what `after` says, which is used up by that.
export function fill(before, after, known = new Map()) {
  const said = markup(after);
  const left = [...before.childNodes];
  const nodes = Array.from(after.childNodes, (node) => {
    const same = known.get(node.dataset?.id) ?? left.find((each) => isLike(each, node));
    if (!same) return node;
    left.splice(left.indexOf(same), left.includes(same) ? 1 : 0);
    become(same, node, known);
    return same;
  });
  arrange(before, nodes);
  if ("received" in before) before.received = said;
}

// The same for the whole of it, wherever in it items (`data-id`) stand now.
export function become(before, after, known = items(before)) {
  if (before.nodeType !== Node.ELEMENT_NODE) {
    if (before.data !== after.data) before.data = after.data;
    return;
  }
  for (const { name } of [...before.attributes]) if (!after.hasAttribute(name) && !OWN.includes(name)) before.removeAttribute(name);
  for (const { name, value } of after.attributes) if (before.getAttribute(name) !== value) before.setAttribute(name, value);
  if (markup(before) !== markup(after)) fill(before, after, known);
}

const items = (part) => new Map(Array.from(part.querySelectorAll?.("[data-id]") ?? [], (item) => [item.dataset.id, item]));
