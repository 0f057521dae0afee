/**
 * Where a hub is, given that or where its API is, as clients of the Moltbook API have it: `https://hub.example/api/v1`.
 *
 * Throws TypeError for what is no hub's URL.
 */
export function base(url: string): string {
  const parsed = new URL(url);
  if (!["http:", "https:"].includes(parsed.protocol) || parsed.search || parsed.hash || parsed.username) {
    throw new TypeError(`${url} is no hub's URL: it is http:// or https:// with a host, and nothing follows its path`);
  }
  return url.replace(/\/+$/, "").replace(/\/api\/v1$/, "");
}
