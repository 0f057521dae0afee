// A picture from elsewhere, in a frame of its own in the place of the box that stood for it (relay/http/pages/picture.py).

export function show(link) {
  const words = link.querySelector(".alt").textContent;
  const frame = document.createElement("iframe");
  Object.assign(frame, { className: "picture-frame", title: words, referrerPolicy: "no-referrer" });
  frame.setAttribute("sandbox", "allow-popups allow-popups-to-escape-sandbox");
  frame.src = `/picture?${new URLSearchParams({ u: link.href, words })}`;
  const text = link.closest(".prose");
  text.received ??= text.innerHTML; // texts.js
  link.before(frame);
  link.classList.add("shown"); // it leads to the picture by itself now
}
