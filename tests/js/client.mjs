// nostr-tools against the relay whose URL is the first argument: prints "ok <step>" for each step, throws on the first that fails.
import "./webcrypto.mjs";
import assert from "node:assert/strict";
import WebSocket from "ws";
import { finalizeEvent, generateSecretKey, getPublicKey, verifyEvent } from "nostr-tools/pure";
import { Relay, useWebSocketImplementation } from "nostr-tools/relay";
import { makeAuthEvent } from "nostr-tools/nip42";
import { NegentropyStorageVector, NegentropySync } from "./node_modules/nostr-tools/lib/esm/nip77.js"; // not among its exports

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

const there = Array.from({ length: 50 }, (_, n) => sign(1, `there ${n}`, [["t", "sync"]]));
await within(Promise.all(there.map((event) => relay.publish(event))), "publish");
const here = Array.from({ length: 40 }, (_, n) => sign(1, `here ${n}`, [["t", "sync"]]));
const filter = { authors: [pubkey], "#t": ["sync"] };

async function compared(...events) {
  const storage = new NegentropyStorageVector();
  for (const event of events) storage.insert(event.created_at, event.id);
  storage.seal();
  const found = { have: new Set(), need: new Set() };
  await within(
    new Promise((done, fail) => {
      const params = {
        onhave: (id) => found.have.add(id),
        onneed: (id) => found.need.add(id),
        onclose: (reason) => (reason ? fail(new Error(reason)) : done()),
      };
      new NegentropySync(relay, storage, filter, params).start();
    }),
    "comparison",
  );
  return found;
}

const { have, need } = await compared(...here, ...there.slice(0, 20));
assert.deepEqual(have, new Set(here.map((event) => event.id)));
assert.deepEqual(need, new Set(there.slice(20).map((event) => event.id)));
await within(Promise.all(here.map((event) => relay.publish(event))), "publish");
assert.equal((await stored(relay, { ids: [...need] })).length, 30);
assert.deepEqual(await compared(...here, ...there), { have: new Set(), need: new Set() });
console.log("ok sync");

relay.close();
