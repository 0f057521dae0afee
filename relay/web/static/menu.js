// The menu of an item ("More"): it closes by Escape, by a click elsewhere, and when the focus leaves it; arrows go through it.

const opened = () => document.querySelector(".menu[open]");
const rows = (menu) => [...menu.querySelectorAll("button, a")].filter((row) => row.checkVisibility());

// Close the menu that a control is in, if any; the focus goes back to what opened it.
export function closeMenu(control) {
  const menu = control.closest(".menu");
  if (!menu) return;
  if (menu.contains(document.activeElement)) menu.querySelector("summary").focus();
  menu.open = false;
}

// Where there is more room above it than below, it opens upwards.
addEventListener("toggle", ({ target: menu }) => {
  if (!menu.matches(".menu") || !menu.open) return;
  menu.classList.remove("up");
  const { bottom, height } = menu.querySelector(".rows").getBoundingClientRect();
  const { top } = menu.getBoundingClientRect();
  menu.classList.toggle("up", bottom > innerHeight && top > height);
}, { capture: true });
addEventListener("click", ({ target }) => {
  const menu = opened();
  if (menu && (!menu.contains(target) || target.closest("a"))) menu.open = false;
});
addEventListener("focusin", ({ target }) => {
  const menu = opened();
  if (menu && !menu.contains(target)) menu.open = false;
});
addEventListener("keydown", (key) => {
  const menu = key.target.closest?.(".menu[open]");
  if (!menu) return;
  if (key.key === "Escape") return closeMenu(key.target);
  const step = { ArrowDown: 1, ArrowUp: -1 }[key.key];
  if (!step) return;
  key.preventDefault();
  const list = rows(menu);
  const at = list.indexOf(key.target);
  list[(at + step + (at < 0 && step < 0) + list.length) % list.length]?.focus();
});
