// The relay's clock, by when it made this page: a browser's may be wrong by hours. A page that the browser kept does not tell that;
// there it is as this tab knew it last.

const AHEAD = "tidings.ahead";

// Milliseconds by which the relay's clock is ahead of the browser's.
function ahead() {
  const [load] = performance.getEntriesByType("navigation");
  const apart = document.body.dataset.now * 1000 - performance.timeOrigin - load?.responseStart;
  const found = load?.transferSize && Math.abs(apart) > 60_000 ? apart : 0;
  try {
    if (!load?.transferSize) return Number(sessionStorage.getItem(AHEAD));
    sessionStorage.setItem(AHEAD, found);
  } catch {
    // storage is switched off, or full
  }
  return found;
}

const apart = ahead();

// Unix seconds.
export const now = () => Math.floor((Date.now() + apart) / 1000);
