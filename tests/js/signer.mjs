// signer.mjs URL SECRET: a remote signer (NIP-46), NDK's own, that allows what it is asked. Its first line is its bunker:// link.
// A line of stdin is a nostrconnect:// link that it answers, or "refuse", after which it signs nothing any more.
import "./webcrypto.mjs";
import { createInterface } from "node:readline";
import WebSocket from "ws";

globalThis.WebSocket = WebSocket;

const { default: NDK, NDKNip46Backend, NDKPrivateKeySigner } = await import("@nostr-dev-kit/ndk");

const [, , url, secret] = process.argv;
const ndk = new NDK({ explicitRelayUrls: [url], enableOutboxModel: false });
await ndk.connect(5000);
const signer = new NDKPrivateKeySigner(secret);
let refuses = false;
const backend = new NDKNip46Backend(ndk, signer, async ({ method }) => !(refuses && method === "sign_event"), [url]);
backend.rpc.encryptionType = "nip44";
await backend.start();
console.log(`bunker://${(await signer.user()).pubkey}?relay=${encodeURIComponent(url)}`);
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "refuse") refuses = true;
  else {
    const link = new URL(line.replace("nostrconnect://", "http://"));
    await backend.rpc.sendResponse(crypto.randomUUID(), link.hostname, link.searchParams.get("secret"));
  }
  console.log("done");
}
