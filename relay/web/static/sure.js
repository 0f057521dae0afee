// Whether a button is pressed for the second time, of what is not undone: the first press asks, in these words, until something else
// is pressed or the keyboard goes elsewhere. Not until it loses the focus: in Safari what is pressed has none.
export function isSure(button, asked) {
  if ("sure" in button.dataset) return true;
  const label = button.textContent;
  button.dataset.sure = "";
  button.textContent = asked;
  const end = new AbortController();
  const look = ({ target }) => {
    if (button.contains(target)) return;
    end.abort();
    delete button.dataset.sure;
    if (button.textContent === asked) button.textContent = label;
  };
  for (const each of ["pointerdown", "focusin"]) addEventListener(each, look, { capture: true, signal: end.signal });
  return false;
}
