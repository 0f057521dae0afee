// Node 18, which Debian 12 has, keeps Web Crypto out of the globals; nostr-tools looks for it there. Imported first.
import { webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto;
