// nostr-tools against the relay whose URL is the first argument: prints "ok <step>" for each step, throws on the first that fails.
import "./webcrypto.mjs";
import assert from "node:assert/strict";
import WebSocket from "ws";
import { finalizeEvent, generateSecretKey, getPublicKey, verifyEvent } from "nostr-tools/pure";
import { Relay, useWebSocketImplementation } from "nostr-tools/relay";
import { makeAuthEvent } from "nostr-tools/nip42";

useWebSocketImplementation(WebSocket);

const url = process.argv[2];
const secret = generateSecretKey();
const pubkey = getPublicKey(secret);
const now = () => Math.floor(Date.now() / 1000);
const sign = (kind, content = "", tags = []) => finalizeEvent({ kind, created_at: now(), tags, content }, secret);

const within = (promise, what) =>
  Promise.race([
    promise,
    new Promise((_, fail) => setTimeout(() => fail(new Error(`timed out: ${what}`)), 10_000).unref()),
  ]);

function stored(relay, ...filters) {
  return within(
    new Promise((done, fail) => {
      const found = [];
      const subscription = relay.subscribe(filters, {
        onevent: (event) => found.push(event),
        oneose: () => {
          done(found);
          subscription.close();
        },
        onclose: (reason) => fail(new Error(reason)), // after `done` this changes nothing
      });
    }),
    "history",
  );
}

const relay = await within(Relay.connect(url), "connect");

const note = sign(1, "tidings from JavaScript \n\t\"\\ \u2028", [["t", "js"]]);
await within(relay.publish(note), "publish");
const [back] = await stored(relay, { authors: [pubkey] });
assert.equal(back.id, note.id);
assert.equal(back.content, note.content);
assert.ok(verifyEvent(back));
console.log("ok publish and find");

const second = sign(1, "live");
const live = new Promise((done) => {
  const subscription = relay.subscribe([{ authors: [pubkey], limit: 0 }], {
    onevent: (event) => {
      subscription.close();
      done(event);
    },
    oneose: () => relay.publish(second),
  });
});
assert.equal((await within(live, "live event")).id, second.id);
console.log("ok live");

assert.equal(await within(relay.count([{ authors: [pubkey] }], {}), "count"), 2);
console.log("ok count");

const guarded = sign(1, "mine alone to publish", [["-"]]);
await assert.rejects(within(relay.publish(guarded), "refusal"), /auth-required: /);
await within(relay.auth(async (template) => finalizeEvent(template, secret)), "auth");
await within(relay.publish(guarded), "publish after auth");
assert.equal(makeAuthEvent(url, "x").kind, 22242);
console.log("ok auth");

await within(relay.publish(sign(5, "", [["e", note.id], ["e", second.id]])), "deletion");
const left = await stored(relay, { authors: [pubkey], kinds: [1] });
assert.deepEqual(left.map((event) => event.id), [guarded.id]);
await assert.rejects(within(relay.publish(note), "refusal"), /blocked: /);
console.log("ok delete");

await assert.rejects(within(relay.publish({ ...sign(1, "signed"), content: "forged" }), "refusal"), /invalid: /);
console.log("ok forged");

relay.close();
