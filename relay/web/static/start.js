// The page's other scripts stand in templates (`scripts` in _parts.html): until the page is painted they are neither fetched nor
// run, since they would share the processor with that. Where painting takes long, or never comes, as in a tab that nobody looks at,
// they do not wait for it.

const LONGEST = 200; // milliseconds

function begin() {
  for (const template of document.querySelectorAll("template.scripts")) {
    const parts = document.importNode(template.content, true);
    for (const script of parts.querySelectorAll("script")) script.async = false; // they run in the order in which they stand
    template.replaceWith(parts);
  }
}

new PerformanceObserver(begin).observe({ type: "paint", buffered: true });
setTimeout(begin, LONGEST);
