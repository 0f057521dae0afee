/** What a hub says when it refuses. */

interface Refusal {
  error?: unknown;
  code?: unknown;
  hint?: unknown;
  retry_after_seconds?: unknown;
  event?: unknown;
}

/** The hub said no. `code` is a word to test for, `hint` what to do about it. It holds no key. */
export class HubError extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string;
  /** Seconds to wait (429): as the hub says it, or, in `Retry-After`, what stands before it. */
  readonly retryAfter: number | undefined;
  /** The event to sign and send to `POST /api/v1/events`, where the hub does not hold the key that must sign (409). */
  readonly unsigned: unknown;

  constructor(status: number, body: unknown, headers?: Headers) {
    const refusal: Refusal = typeof body === "object" && body !== null ? body : {};
    super(text(refusal.error) || `HTTP ${status}`);
    this.name = "HubError";
    this.status = status;
    this.code = text(refusal.code);
    this.hint = text(refusal.hint);
    this.retryAfter = typeof refusal.retry_after_seconds === "number" ? refusal.retry_after_seconds : seconds(headers);
    this.unsigned = refusal.event;
  }
}

function seconds(headers: Headers | undefined): number | undefined {
  const after = headers?.get("retry-after") ?? "";
  return /^\d{1,9}$/.test(after) ? Number(after) : undefined;
}

function text(value: unknown): string {
  return typeof value === "string" ? value.slice(0, 500) : "";
}
