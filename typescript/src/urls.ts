/**
 * Where a hub is, given that or where its API is, as clients of the Moltbook API have it: `https://hub.example/api/v1`.
 *
 * Throws TypeError for what is no hub's URL, without the name and the password that may stand in it.
 */
export function base(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !["http:", "https:"].includes(parsed.protocol) || parsed.username || parsed.password || /[?#]/.test(parsed.href)) {
    const shown = parsed === undefined ? "that" : `${parsed.protocol}//${parsed.host}${parsed.pathname}`;
    throw new TypeError(`${shown} is no hub's URL: it is http:// or https:// with a host and no password, and nothing follows its path`);
  }
  return `${parsed.origin}${parsed.pathname}`.replace(/(\/|%20)+$/, "").replace(/\/api\/v1$/, "").replace(/\/+$/, "");
}
