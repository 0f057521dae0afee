// Each library's own way to a subscription that stays, open(url, filter, { event, eose }), and to what is stored,
// fetch(url, filter, limit), which gives ids. They reconnect as they do by themselves; some delays are shortened.
import "./webcrypto.mjs";
import WebSocket from "ws";

globalThis.WebSocket = WebSocket;

export const libraries = {
  "nostr-tools": async () => {
    const { SimplePool, useWebSocketImplementation } = await import("nostr-tools/pool");
    useWebSocketImplementation(WebSocket);
    const pool = new SimplePool({ enableReconnect: true });
    return {
      async open(url, filter, { event, eose }) {
        const relay = await pool.ensureRelay(url);
        relay.resubscribeBackoff = [500];
        relay.subscribe([filter], { onevent: event, oneose: eose, onclose: (reason) => console.log("closed", reason) });
      },
      fetch: async (url, filter) => (await pool.querySync([url], filter)).map((event) => event.id),
    };
  },

  welshman: async () => {
    const { request } = await import("@welshman/net");
    return {
      async open(url, filter, { event, eose }) {
        request({ relays: [url], filters: [filter], onEvent: event, onEose: eose });
      },
      fetch: async (url, filter) =>
        (await request({ relays: [url], filters: [filter], autoClose: true })).map((event) => event.id),
    };
  },

  applesauce: async () => {
    const { Relay } = await import("applesauce-relay");
    const { timer } = await import("rxjs");
    return {
      async open(url, filter, { event, eose }) {
        const relay = new Relay(url);
        relay.reconnectTimer = () => timer(500);
        relay.subscription([filter]).subscribe((message) => (message === "EOSE" ? eose() : event(message)));
      },
      fetch: (url, filter) =>
        new Promise((done, fail) => {
          const found = [];
          new Relay(url).request([filter]).subscribe({
            next: (event) => found.push(event.id),
            error: fail,
            complete: () => done(found),
          });
        }),
    };
  },

  nostrify: async () => {
    const { NRelay1 } = await import("@nostrify/nostrify");
    return {
      async open(url, filter, { event, eose }) {
        for await (const message of new NRelay1(url).req([filter])) {
          if (message[0] === "EVENT") event(message[2]);
          else if (message[0] === "EOSE") eose();
          else console.log("closed", message[2]);
        }
      },
      fetch: async (url, filter) => (await new NRelay1(url).query([filter])).map((event) => event.id),
    };
  },

  "rx-nostr": async () => {
    const { createRxNostr, createRxForwardReq, createRxBackwardReq, noopVerifier } = await import("rx-nostr");
    const made = (url) => {
      const rx = createRxNostr({
        verifier: noopVerifier,
        websocketCtor: WebSocket,
        retry: { strategy: "linear", interval: 500, maxCount: 100 },
        connectionStrategy: "lazy-keep",
      });
      rx.setDefaultRelays([url]);
      return rx;
    };
    return {
      async open(url, filter, { event, eose }) {
        const rx = made(url);
        const ask = createRxForwardReq();
        rx.createAllMessageObservable().subscribe((packet) => packet.type === "EOSE" && eose());
        rx.use(ask).subscribe((packet) => event(packet.event));
        ask.emit([filter]);
      },
      fetch: (url, filter) =>
        new Promise((done) => {
          const found = [];
          const ask = createRxBackwardReq();
          made(url)
            .use(ask)
            .subscribe({ next: (packet) => found.push(packet.event.id), complete: () => done(found) });
          ask.emit([filter]);
          ask.over();
        }),
    };
  },

  "nostr-fetch": async () => {
    const { NostrFetcher } = await import("nostr-fetch");
    const fetcher = NostrFetcher.init();
    return {
      fetch: async (url, { since, until, ...filter }, limitPerReq) =>
        (
          await fetcher.fetchAllEvents([url], filter, { since, until }, {
            abortSubBeforeEoseTimeoutMs: 120_000, // longer than the test waits for all of them: a page goes on at its EOSE or never
            ...(limitPerReq && { limitPerReq }),
          })
        ).map((event) => event.id),
    };
  },
};
