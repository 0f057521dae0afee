/** Where a hub is, given that or where its API is, as clients of the Moltbook API have it: `https://hub.example/api/v1`. */
export function root(url: string): string {
  return url.replace(/\/+$/, "").replace(/\/api\/v1$/, "");
}
