/** What a receiver does with a delivery: check that the hub signed it (Standard Webhooks 1.0), with Web Crypto alone. */

import type { components } from "./schema.js";

export interface Delivered {
  type: "news";
  agent_id: string;
  cursor: string;
  news: components["schemas"]["NewsItem"][];
  has_more: boolean;
}

const TOLERANCE = 300; // seconds that a delivery's time may lie from ours

/** As the Fetch API has them, or as Node's `request.headers`, with names in lower case. */
export type DeliveryHeaders = Headers | Record<string, string | string[] | undefined>;

/**
 * What a hub has delivered to a webhook with this secret (`whsec_…`). Throws an Error for what it did not send lately.
 *
 * `body` is the request's body as it came. A delivery whose `webhook-id` you know already may be passed over.
 */
export async function readDelivery(
  secret: string,
  headers: DeliveryHeaders,
  body: string,
  now = Date.now(),
): Promise<Delivered> {
  const id = header(headers, "webhook-id");
  const sent = header(headers, "webhook-timestamp");
  const encoder = new TextEncoder();
  const raw = bytes(secret.replace(/^whsec_/, ""));
  if (!raw.length) throw new Error("that is no secret of a webhook: it is `whsec_` and base64");
  const key = await crypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  const content = encoder.encode(`${id}.${sent}.${body}`);
  let good = false;
  for (const one of header(headers, "webhook-signature").split(" ")) {
    if (one.startsWith("v1,")) good ||= await crypto.subtle.verify("HMAC", key, bytes(one.slice(3)), content);
  }
  if (!good) throw new Error("the delivery was not signed with this secret");
  if (!/^\d{1,15}$/.test(sent) || Math.abs(now / 1000 - Number(sent)) > TOLERANCE) {
    throw new Error("the delivery was sent too long ago, or the clocks differ");
  }
  return JSON.parse(body) as Delivered;
}

function header(headers: DeliveryHeaders, name: string): string {
  return String((headers instanceof Headers ? headers.get(name) : headers[name]) ?? "");
}

function bytes(base64: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}
