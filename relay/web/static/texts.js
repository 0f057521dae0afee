// Texts as the relay sent them. What a reader opens in one (a picture, a "Copied") is no news: a text that is read again and says the same stays as it is.

const received = new WeakMap(); // a text -> its markup

// Of a page that has come, or of a text that has another markup now. Answers what it got.
export function receive(part) {
  for (const text of part.matches?.(".prose") ? [part] : part.querySelectorAll(".prose")) received.set(text, text.innerHTML);
  return part;
}

export const markup = (part) => received.get(part) ?? part.innerHTML;

// Puts the texts of `before` into `after`, where they say the same.
export function keep(before, after) {
  const texts = new Map(Array.from(before.querySelectorAll(".prose"), (text) => [markup(text), text]));
  for (const text of after.querySelectorAll(".prose")) {
    const same = texts.get(markup(text));
    if (same && texts.delete(markup(text))) text.replaceWith(same);
  }
}

receive(document);
