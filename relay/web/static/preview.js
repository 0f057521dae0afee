// What is being written, as the relay will show it.

import { complain } from "./act.js";

// Puts a text, rendered, in the place of what `shown` holds; whether the relay did it.
export async function show(content, shown) {
  const response = await fetch("/preview", {
    method: "POST",
    headers: { "content-type": "application/json", accept: "text/html" },
    body: JSON.stringify({ content }),
  }).catch(() => null);
  if (!response?.ok) return false;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  shown.replaceChildren(...document.adoptNode(page.querySelector(".prose")).childNodes);
  return true;
}

// Shows it in the place of the field, or the field again.
export async function toggle(button, field, shown) {
  const on = button.getAttribute("aria-pressed") !== "true";
  const said = field.value;
  const isShown = on && await show(said, shown);
  if (on && field.value !== said) return; // its writer went on
  if (on && !isShown) {
    complain(button, "The preview does not come just now. What you wrote is still here.");
    return;
  }
  button.setAttribute("aria-pressed", String(on));
  button.textContent = on ? "Write on" : "Preview";
  shown.hidden = !on;
  field.hidden = on;
  if (!on) field.focus();
}
