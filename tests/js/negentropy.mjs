// The line protocol with which implementations of negentropy are compared (the reference's test/), over nostr-tools' initiator.
// In: item,<time>,<id> | seal,<frame limit> | initiate | msg,<hex> | reset. Out: have,<id> | need,<id> | msg,<hex> | done.
import { createInterface } from "node:readline";
import { Negentropy, NegentropyStorageVector } from "./node_modules/nostr-tools/lib/esm/nip77.js"; // not among its exports

let storage = new NegentropyStorageVector();
let side;
for await (const line of createInterface({ input: process.stdin })) {
  const [verb, first, second] = line.split(",");
  if (verb === "reset") {
    storage = new NegentropyStorageVector();
  } else if (verb === "item") {
    storage.insert(Number(first), second);
  } else if (verb === "seal") {
    storage.seal();
    side = new Negentropy(storage, Number(first) || undefined);
  } else if (verb === "initiate") {
    console.log(`msg,${side.initiate()}`);
  } else if (verb === "msg") {
    const reply = side.reconcile(
      first,
      (id) => console.log(`have,${id}`),
      (id) => console.log(`need,${id}`),
    );
    console.log(reply === null ? "done" : `msg,${reply}`);
  }
}
