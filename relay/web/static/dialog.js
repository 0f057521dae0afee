// Native dialogs: closed by Escape, by their Close button and, where nothing is typed in them, by a click beside them; the keyboard goes back to where it was.

// A dialog under a heading, made once for each `id`; `body` takes what it shows.
export function make(id, title) {
  const present = document.getElementById(id);
  if (present) {
    present.querySelector("h2").textContent = title;
    return { dialog: present, body: present.querySelector(".in-dialog") };
  }
  const dialog = Object.assign(document.createElement("dialog"), { id });
  dialog.setAttribute("aria-labelledby", `${id}-title`);
  const heading = Object.assign(document.createElement("h2"), { id: `${id}-title`, textContent: title });
  const close = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: "Close" });
  close.addEventListener("click", () => dialog.close());
  const head = Object.assign(document.createElement("div"), { className: "head" });
  head.append(heading, close);
  const body = Object.assign(document.createElement("div"), { className: "in-dialog" });
  dialog.append(head, body);
  document.body.append(dialog);
  return { dialog, body };
}

const isBeside = (box, { clientX: x, clientY: y }) => x < box.left || x > box.right || y < box.top || y > box.bottom;

const isBegun = (dialog) => [...dialog.querySelectorAll("input:not([type=radio], [type=checkbox]), textarea")].some((field) => field.value !== field.defaultValue);

// Closes it, once what `part` of it asked for is done, unless something else is shown in it by then.
export const finish = (dialog, part) => part.isConnected && dialog.close();

// Shows it; done when it is closed. The keyboard goes back then to where it was: to `opener`, which has it before. The browser sees to that at the moment
// of closing; by the time that this is done the reader may have gone on.
export function open(dialog, opener = null) {
  if (!dialog.dataset.dialog) {
    dialog.dataset.dialog = "1";
    dialog.addEventListener("mousedown", (press) => {
      if (isBeside(dialog.getBoundingClientRect(), press) && !isBegun(dialog)) dialog.close();
    });
  }
  opener?.focus({ preventScroll: true });
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", resolve, { once: true });
  });
}
