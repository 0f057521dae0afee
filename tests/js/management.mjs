// A library's own way to the management API (NIP-86): management.mjs LIBRARY URL SECRET PUBKEY. Prints what it was told.
import "./webcrypto.mjs";
import WebSocket from "ws";
import { finalizeEvent, generateSecretKey } from "nostr-tools/pure";

globalThis.WebSocket = WebSocket;
const [library, url, secret, pubkey] = process.argv.slice(2);
const operator = Uint8Array.from(Buffer.from(secret, "hex"));

// call(method, params) of the library, with this key; throws what it was refused with.
const callers = {
  applesauce: async (key) => {
    const { Relay, RelayManagement } = await import("applesauce-relay");
    const management = new RelayManagement(new Relay(url), { signEvent: async (draft) => finalizeEvent(draft, key) });
    return (method, params) => management.request(method, params);
  },
  welshman: async (key) => {
    const { makeHttpAuth, sendManagementRequest } = await import("@welshman/util");
    const place = url.replace(/^ws/, "http");
    return async (method, params) => {
      const request = { method, params };
      const draft = await makeHttpAuth(place, "POST", JSON.stringify(request));
      const answer = await sendManagementRequest(place, request, finalizeEvent(draft, key));
      if (answer.error) throw new Error(answer.error);
      return answer.result;
    };
  },
};

const call = await callers[library](operator);
const methods = await call("supportedmethods", []);
await call("changerelayname", [`Called by ${library}`]);
await call("banpubkey", [pubkey, "spam"]);
const banned = await call("listbannedpubkeys", []);
await call("unbanpubkey", [pubkey]);
const after = await call("listbannedpubkeys", []);
const strange = await callers[library](generateSecretKey());
const stranger = await strange("supportedmethods", []).then(() => "let in", () => "refused");
console.log(JSON.stringify({ methods, banned, after, stranger }));
process.exit(0);
