// Markdown by the keyboard, and links that are pasted as such.

const PICTURE = /\.(?:avif|gif|jpe?g|png|webp)(?:\?\S*)?$/i;

// Puts text in the place of the selection, so that it can be undone; `select` is the part of it that is selected then.
function put(field, text, select = [text.length, text.length]) {
  const at = field.selectionStart;
  field.focus();
  if (!document.execCommand("insertText", false, text)) {
    field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
  field.setSelectionRange(at + select[0], at + select[1]);
}

const chosen = (field) => field.value.slice(field.selectionStart, field.selectionEnd);

function wrap(field, before, after = before) {
  const text = chosen(field);
  const { selectionStart: start, selectionEnd: end, value } = field;
  if (value.slice(start - before.length, start) === before && value.slice(end, end + after.length) === after) {
    field.setSelectionRange(start - before.length, end + after.length);
    put(field, text, [0, text.length]);
  } else put(field, before + text + after, [before.length, before.length + text.length]);
}

// The same mark before each line of the selection; where all have it, it goes.
function mark(field, sign) {
  const { value, selectionEnd: end } = field;
  const start = value.lastIndexOf("\n", field.selectionStart - 1) + 1;
  const lines = value.slice(start, Math.max(start, end)).split("\n");
  const marked = lines.every((line) => line.startsWith(sign));
  const text = lines.map((line) => (marked ? line.slice(sign.length) : sign + line)).join("\n");
  field.setSelectionRange(start, Math.max(start, end));
  put(field, text, lines.length > 1 ? [0, text.length] : [text.length, text.length]);
}

function link(field) {
  const text = chosen(field);
  if (/^https?:\/\/\S+$/.test(text)) put(field, `[](${text})`, [1, 1]);
  else put(field, `[${text}](https://)`, [text.length + 3, text.length + 11]);
}

// With Ctrl or Cmd.
const SHORTCUTS = {
  b: (field) => wrap(field, "**"),
  i: (field) => wrap(field, "*"),
  e: (field) => (chosen(field).includes("\n") ? wrap(field, "```\n", "\n```") : wrap(field, "`")),
  k: link,
  "shift+8": (field) => mark(field, "- "),
  "shift+9": (field) => mark(field, "> "),
};

function onKey(event) {
  if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
  const name = event.shiftKey ? `shift+${event.code.replace("Digit", "")}` : event.key.toLowerCase();
  const work = SHORTCUTS[name];
  if (!work) return;
  event.preventDefault();
  work(event.target);
}

function onPaste(event) {
  const pasted = event.clipboardData?.getData("text/plain").trim() ?? "";
  const text = chosen(event.target);
  if (!/^https?:\/\/[^\s()<>]+$/.test(pasted) || text.includes("\n")) return;
  const isPicture = PICTURE.test(pasted);
  if (!isPicture && (!text || /^https?:/.test(text))) return;
  event.preventDefault();
  if (isPicture) put(event.target, `![${text}](${pasted})`, text ? undefined : [2, 2]);
  else put(event.target, `[${text}](${pasted})`);
}

export function listen(field) {
  field.addEventListener("keydown", onKey);
  field.addEventListener("paste", onPaste);
}
