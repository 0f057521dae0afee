// groups.mjs LIBRARY URL SECRET: one person with a client library, who does in groups (NIP-29) what each line of stdin says.
//
// A line is ["verb", ...arguments]; the answer is {"answer": …} or {"error": "…"}. What a watch brings comes by itself:
// {"watch": name, "event": …} or {"watch": name, "closed": "reason"}. Whatever a library has of its own for groups is used.
import "./webcrypto.mjs";
import { createInterface } from "node:readline";
import WebSocket from "ws";
import { finalizeEvent, getPublicKey } from "nostr-tools/pure";

globalThis.WebSocket = WebSocket;

const [, , library, url, secret] = process.argv;
const bytes = Uint8Array.from(Buffer.from(secret, "hex"));
const pubkey = getPublicKey(bytes);
const now = () => Math.floor(Date.now() / 1000);
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const told = (name) => ({
  event: (event) => say({ watch: name, event }),
  closed: (reason) => say({ watch: name, closed: reason }),
});
const tagged = (event, name) => event.tags.filter((tag) => tag[0] === name).map((tag) => tag[1]);

// Each makes a person: `publish` gives {ok, message, id}; the others as `verbs` below has them.
const libraries = {
  "nostr-tools": async () => {
    const { SimplePool, useWebSocketImplementation } = await import("nostr-tools/pool");
    const nip29 = await import("nostr-tools/nip29");
    const { useWebSocketImplementation: use } = await import("nostr-tools/relay");
    useWebSocketImplementation(WebSocket);
    use(WebSocket);
    const onauth = async (template) => finalizeEvent(template, bytes);
    const pool = new SimplePool({ automaticallyAuth: () => onauth });
    const reference = (id) => ({ id, host: url });
    async function publish(kind, content, tags) {
      const event = finalizeEvent({ kind, content, tags, created_at: now() }, bytes);
      try {
        const [given] = pool.publish([url], event, { onauth });
        return { ok: true, message: await given, id: event.id };
      } catch (error) {
        return { ok: false, message: error.message, id: event.id };
      }
    }
    return {
      publish,
      create: (id) => publish(9007, "", [["h", id]]),
      edit: (id, fields) => publish(9002, "", [["h", id], ...fields]),
      join: (id, code) => publish(9021, "", [["h", id], ...(code ? [["code", code]] : [])]),
      add: (id, key) => publish(9000, "", [["h", id], ["p", key]]),
      remove: (id, key) => publish(9001, "", [["h", id], ["p", key]]),
      async look(id) {
        const groupReference = reference(id);
        const relayInformation = await nip29.fetchRelayInformationByGroupReference(groupReference);
        const asked = { pool, groupReference, relayInformation, normalizedRelayURL: url };
        const metadata = nip29.parseGroupMetadataEvent(await nip29.fetchGroupMetadataEvent(asked));
        const admins = nip29.parseGroupAdminsEvent(await nip29.fetchGroupAdminsEvent(asked));
        const members = nip29.parseGroupMembersEvent(await nip29.fetchGroupMembersEvent(asked));
        return {
          name: metadata.name,
          private: metadata.isPrivate,
          admins: admins.map((each) => each.pubkey),
          members: members.map((each) => each.pubkey),
        };
      },
      stored: (filter) =>
        new Promise((done) => {
          const found = [];
          const subscription = pool.subscribe([url], filter, {
            onauth,
            onevent: (event) => found.push(event),
            oneose: () =>
              setTimeout(() => {
                done(found); // when a subscription is refused, this comes first, and the reason at once after it
                subscription.close();
              }, 0),
            onclose: (reasons) => done({ closed: [reasons].flat().map((each) => each?.reason ?? each).join(" ") }),
          });
        }),
      watch: (filter, { event, closed }) =>
        new Promise((ready) => {
          pool.subscribe([url], filter, {
            onauth,
            onevent: event,
            oneose: () => ready(true),
            onclose: (reasons) => closed([reasons].flat().map((each) => each?.reason ?? each).join(" ")),
          });
        }),
    };
  },

  ndk: async () => {
    const { default: NDK, NDKEvent, NDKPrivateKeySigner, NDKRelayAuthPolicies, NDKRelaySet, NDKSimpleGroup } =
      await import("@nostr-dev-kit/ndk");
    const signer = new NDKPrivateKeySigner(secret);
    const ndk = new NDK({ explicitRelayUrls: [url], signer, enableOutboxModel: false });
    ndk.relayAuthDefaultPolicy = NDKRelayAuthPolicies.signIn({ ndk, signer });
    await ndk.connect(5000);
    const relays = NDKRelaySet.fromRelayUrls([url], ndk);
    const group = (id) => new NDKSimpleGroup(ndk, relays, id);
    const reason = (error) => [error.message, ...[...(error.errors ?? new Map()).values()].map((each) => each.message)].join(" ");
    const isFinal = (why) => !why?.startsWith("auth-required:"); // then it authenticates and asks again
    const tried = async (work) => {
      try {
        await work();
        return { ok: true, message: "" };
      } catch (error) {
        return { ok: false, message: reason(error) };
      }
    };
    async function publish(kind, content, tags) {
      const event = new NDKEvent(ndk, { kind, content, tags, created_at: now(), pubkey });
      await event.sign(signer);
      return { ...(await tried(() => event.publish(relays, 10_000))), id: event.id };
    }
    return {
      publish,
      create: (id) => tried(() => group(id).createGroup()),
      edit: (id, fields) => publish(9002, "", [["h", id], ...fields]),
      join: (id, code) =>
        code ? publish(9021, "", [["h", id], ["code", code]]) : tried(() => group(id).requestToJoin(pubkey)),
      add: (id, key) => tried(async () => (await group(id).addUser(ndk.getUser({ pubkey: key }))).publish(relays)),
      remove: (id, key) => publish(9001, "", [["h", id], ["p", key]]),
      async look(id) {
        const here = group(id);
        await here.getMetadata();
        const lists = [...(await ndk.fetchEvents({ kinds: [39000, 39001], "#d": [id] }, { closeOnEose: true }, relays))];
        const metadata = lists.find((each) => each.kind === 39000);
        const admins = lists.find((each) => each.kind === 39001);
        return {
          name: metadata && tagged(metadata, "name")[0],
          private: metadata && metadata.tags.some((tag) => tag[0] === "private"),
          admins: admins ? tagged(admins, "p") : [],
          members: (await here.getMembers()).map((each) => each.pubkey),
        };
      },
      stored: (filter) =>
        new Promise((done) => {
          const found = [];
          const subscription = ndk.subscribe(filter, { closeOnEose: true, groupable: false, relaySet: relays });
          subscription.on("event", (event) => found.push(event.rawEvent()));
          subscription.on("eose", () => done(found));
          subscription.on("closed", (_relay, why) => isFinal(why) && done({ closed: why ?? "" }));
        }),
      watch: (filter, { event, closed }) =>
        new Promise((ready) => {
          const subscription = ndk.subscribe(filter, { closeOnEose: false, groupable: false, relaySet: relays });
          subscription.on("event", (each) => event(each.rawEvent()));
          subscription.on("eose", () => ready(true));
          subscription.on("closed", (_relay, why) => isFinal(why) && closed(why ?? ""));
        }),
    };
  },

  welshman: async () => {
    const app = await import("@welshman/app");
    const { defaultSocketPolicies, makeSocketPolicyAuth, request, PublishStatus } = await import("@welshman/net");
    const { makeEvent, readRoomMeta } = await import("@welshman/util");
    defaultSocketPolicies.push(makeSocketPolicyAuth({ sign: app.sign, shouldAuth: () => true }));
    app.loginWithNip01(secret);
    const sent = async (thunk) => {
      const message = await app.waitForThunkError(thunk);
      const result = thunk.results[url] ?? thunk.results[`${url}/`] ?? Object.values(thunk.results)[0];
      const ok = result.status === PublishStatus.Success;
      return { ok, message: ok ? result.detail : message || result.detail, id: thunk.event.id };
    };
    const publish = (kind, content, tags) => sent(app.publishThunk({ event: makeEvent(kind, { content, tags }), relays: [url] }));
    const stored = (filter) =>
      new Promise((done) => {
        let why;
        request({ relays: [url], filters: [filter], autoClose: true, onClosed: (reason) => (why = reason) }).then((found) =>
          done(why === undefined ? found : { closed: [why].flat().join(" ") }),
        );
      });
    return {
      publish,
      create: (id) => sent(app.createRoom(url, { h: id })),
      edit: (id, fields) => {
        const value = (name) => fields.find((tag) => tag[0] === name)?.[1];
        const has = (name) => fields.some((tag) => tag[0] === name);
        const room = { h: id, name: value("name"), isPrivate: has("private"), isClosed: has("closed") };
        return sent(app.editRoom(url, { ...room, isRestricted: has("restricted"), isHidden: has("hidden") }));
      },
      join: (id, code) => (code ? publish(9021, "", [["h", id], ["code", code]]) : sent(app.joinRoom(url, { h: id }))),
      add: (id, key) => sent(app.addRoomMember(url, { h: id }, key)),
      remove: (id, key) => sent(app.removeRoomMember(url, { h: id }, key)),
      async look(id) {
        const found = [
          ...(await stored({ kinds: [39000], "#d": [id] })),
          ...(await stored({ kinds: [39001, 39002], "#d": [id] })), // as Flotilla asks
        ];
        const of = (kind) => found.find((each) => each.kind === kind);
        const room = readRoomMeta(of(39000));
        return {
          name: room.name,
          private: room.isPrivate,
          admins: tagged(of(39001), "p"),
          members: tagged(of(39002), "p"),
        };
      },
      stored,
      watch: (filter, { event, closed }) =>
        new Promise((ready) => {
          request({
            relays: [url],
            filters: [filter],
            onEvent: event,
            onEose: () => ready(true),
            onClosed: (reason) => closed([reason].flat().join(" ")),
          });
        }),
    };
  },
};

process.on("unhandledRejection", (error) => console.error("unhandled", error?.message ?? error));
const person = await libraries[library]();
const verbs = { ...person, watch: (name, filter) => person.watch(filter, told(name)) };
say({ answer: pubkey });
for await (const line of createInterface({ input: process.stdin })) {
  const [verb, ...given] = JSON.parse(line);
  const late = new Promise((_, fail) => setTimeout(() => fail(new Error(`${verb} took too long`)), 20_000).unref());
  try {
    say({ answer: (await Promise.race([verbs[verb](...given), late])) ?? null });
  } catch (error) {
    say({ error: error?.message ?? String(error) });
  }
}
process.exit(0);
