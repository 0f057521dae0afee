// The relay's clock, by when it made this page: a browser's may be wrong by hours. A page that was kept tells nothing.

const [load] = performance.getEntriesByType("navigation");
const apart = load?.transferSize ? document.body.dataset.now * 1000 - performance.timeOrigin - load.responseStart : 0;
const ahead = Math.abs(apart) > 60_000 ? apart : 0; // milliseconds

// Unix seconds.
export const now = () => Math.floor((Date.now() + ahead) / 1000);
