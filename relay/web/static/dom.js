// Elements made by scripts. A stranger's text only ever comes in as text.

import { holdsKeyboard, words } from "./act.js";

export function element(name, text = "", attributes = {}, ...children) {
  const made = Object.assign(document.createElement(name), attributes);
  if (text) made.textContent = text;
  made.append(...children);
  return made;
}

// A button of a row; what it does may fail, and says so where `fail` puts it.
export function action(label, work, fail, className = "quiet") {
  const button = element("button", label, { type: "button", className });
  button.addEventListener("click", async () => {
    fail("");
    const place = button.closest("section, dialog, main");
    const on = off(button, () => place?.querySelector("button:not([disabled])")); // where its row is gone
    try {
      await work(button);
    } catch (error) {
      fail(words(error));
    }
    on();
  });
  return button;
}

// Switches a control off while its work is under way; `on()` ends that. A keyboard that was on it is there again then, or on `beside()`
// where the control is gone.
export function off(control, beside = () => null) {
  const isHeld = document.activeElement === control;
  control.disabled = true;
  return () => {
    control.disabled = false;
    if (isHeld && holdsKeyboard()) (control.isConnected ? control : beside())?.focus({ preventScroll: true });
  };
}
