// Copy buttons: `data-copy` names the element whose text is copied. Without this script they stay hidden.

// What is copied of an element; a page that shows a secret masked puts the secret in.
export const copied = { text: (source) => source.textContent };

// Whether the text is in the clipboard now.
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // No clipboard outside a secure context; there the older way works. In a dialog nothing outside of it can be selected.
    const field = Object.assign(document.createElement("textarea"), { value: text, readOnly: true, className: "unseen" });
    const before = document.activeElement;
    (document.querySelector("dialog[open]") ?? document.body).append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    before?.focus();
    return done;
  }
}

// The block of code that stands before the button.
export async function copyCode(button) {
  const source = button.previousElementSibling;
  const text = button.closest(".prose");
  if (text) text.received ??= text.innerHTML; // texts.js
  if (!(await copy(source.textContent))) getSelection().selectAllChildren(source);
  else button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}

// The copy buttons in a part of the page that has come just now, or in all of it.
export function wire(part) {
  for (const button of part.querySelectorAll("[data-copy]")) {
    const source = document.getElementById(button.dataset.copy);
    const label = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const text = copied.text(source);
      const done = await copy(text);
      if (!done) {
        source.textContent = text;
        getSelection().selectAllChildren(source); // the reader's own copy takes it
      }
      button.textContent = done ? "Copied" : "Selected";
      setTimeout(() => { button.textContent = label; }, 1500);
    });
  }
}

wire(document);
