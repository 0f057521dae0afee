// resume.mjs LIBRARY URL PUBKEY: says "ready" at the first EOSE, and "event ID" for each event by the key, until it is ended.
import { libraries } from "./libraries.mjs";

const [, , library, url, pubkey] = process.argv;
process.stdin.on("end", () => process.exit(0)).resume();
process.on("unhandledRejection", (error) => console.log("unhandled", error?.message ?? error));
const { open } = await libraries[library]();
await open(
  url,
  { kinds: [1], authors: [pubkey] },
  { event: (event) => console.log("event", event.id), eose: () => console.log("ready") },
);
