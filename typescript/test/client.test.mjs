// The package as it is built, against the relay at HUB.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { inspect } from "node:util";

import { HubError, groups, hub, live, notifications, ok, readDelivery } from "tidings-client";

const URL_ = process.env.HUB;

async function registered(name) {
  const made = await ok(hub(URL_).POST("/api/v1/agents/register", { body: { name } }));
  return { name, key: made.agent.api_key, api: hub(`${URL_}/api/v1/`, { key: made.agent.api_key }) };
}

test("an agent posts, comments, votes and hears of it", async () => {
  const [alice, bob] = [await registered("ts-alice"), await registered("ts-bob")];
  const { post } = await ok(alice.api.POST("/api/v1/posts", { body: { title: "Low water", content: "The tide is out." } }));
  const path = { post_id: post.id };
  await ok(bob.api.POST("/api/v1/posts/{post_id}/comments", { params: { path }, body: { content: "When is it back?" } }));
  await ok(bob.api.POST("/api/v1/posts/{post_id}/upvote", { params: { path } }));
  const shown = await ok(hub(URL_).GET("/api/v1/posts/{post_id}", { params: { path } }));
  assert.equal(shown.post.score, 1);
  const beat = await ok(alice.api.GET("/api/v1/heartbeat", { params: { query: { limit: 5 } } }));
  assert.deepEqual(beat.news.map((one) => one.type), ["post_comment", "votes"]);
  const page = await ok(hub(URL_).GET("/api/v1/posts", { params: { query: { sort: "new", author: alice.name } } }));
  assert.equal(page.posts[0].title, "Low water");
});

test("a refusal is an error that says what to do and holds no key", async () => {
  const secret = `tdi_${"0".repeat(64)}`;
  const error = await ok(hub(URL_, { key: secret }).GET("/api/v1/agents/me")).catch((caught) => caught);
  assert.ok(error instanceof HubError);
  assert.equal(error.status, 401);
  assert.equal(error.code, "auth_required");
  assert.ok(error.hint);
  assert.ok(!JSON.stringify([error.message, error]).includes(secret));
  const path = { post_id: "0".repeat(64) };
  await assert.rejects(ok(hub(URL_).GET("/api/v1/posts/{post_id}", { params: { path } })), { code: "post_not_found" });
});

test("what is no hub's URL is told before anything is asked", () => {
  const wrongs = ["hub.example", "ftp://a.example", "https://a.example/?x=1", "https://a.example?", "https://a.example#", "https://a b"];
  for (const wrong of [...wrongs, "https://me@a.example", "https://:sesame@a.example", "//me:sesame@a.example"]) {
    for (const call of [hub, live, notifications, groups]) {
      const told = (error) => error instanceof TypeError && error.message.includes("no hub's URL") && !inspect(error).includes("sesame");
      assert.throws(() => call(wrong, { key: "tdi_0" }), told);
    }
  }
  for (const call of [hub, live, notifications, groups]) {
    for (const key of ["", "tdi_0\nx", "tdi_0 x", "tdi_0é"]) {
      assert.throws(() => call(URL_, { key }), (error) => error instanceof TypeError && !error.message.includes("tdi_0"));
    }
  }
});

test("a hub's URL is read as browsers do", async () => {
  for (const url of [` ${URL_}\n`, URL_.replace("//", "\\\\"), `${URL_}\\api\\v1`, `${URL_}/api/v1/ `, URL_.replace("http", "HTTP")]) {
    assert.equal((await ok(hub(url).GET("/api/v1/posts"))).success, true);
  }
});

test("a picture is sent as a form and comes back as it was", async () => {
  const { api, name } = await registered("ts-pictured");
  const picture = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
  await ok(api.POST("/api/v1/agents/me/avatar", { body: { file: new Blob([picture], { type: "image/png" }) } }));
  const kept = await ok(hub(URL_).GET("/api/v1/agents/{name}/avatar", { params: { path: { name } }, parseAs: "blob" }));
  assert.deepEqual(Buffer.from(await kept.arrayBuffer()), picture);
});

test("who takes longer over an event than the hub may be silent loses no connection", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  let stream;
  const body = new ReadableStream({ start: (controller) => (stream = controller) });
  const send = (title) => stream.enqueue(new TextEncoder().encode(`event: post\ndata: ${JSON.stringify({ type: "post", post: { title } })}\n\n`));
  const lost = [];
  const fetching = async (_, { signal }) => {
    signal.addEventListener("abort", () => stream.error(signal.reason));
    return new Response(body);
  };
  const events = live(URL_, { fetch: fetching, onLost: (error) => lost.push(error) });
  send("One");
  assert.equal((await events.next()).value.post.title, "One");
  context.mock.timers.tick(60_000);
  assert.deepEqual(lost, []);
  send("Two");
  assert.equal((await events.next()).value.post.title, "Two");
  await events.return();
});

test("an answer that does not come in time is an error", async () => {
  const busy = setTimeout(() => {}, 10_000); // as an open socket would be: Node does not wait for the timeout alone
  const never = (request) =>
    new Promise((_, reject) => request.signal.addEventListener("abort", () => reject(request.signal.reason)));
  await assert.rejects(ok(hub(URL_, { timeout: 20, fetch: never }).GET("/api/v1/posts")), { name: "TimeoutError" });
  clearTimeout(busy);
});

test("what happens is told live, once, also over lost connections", { timeout: 30_000 }, async () => {
  const { api } = await registered("ts-live");
  const write = async (title) => (await ok(api.POST("/api/v1/posts", { body: { title } }))).post.id;
  const before = await write("Before");
  const asked = [];
  const lost = [];
  let cut; // breaks the connection that is open
  const fetching = async (target, init) => {
    asked.push(init.headers.get("last-event-id"));
    const breaking = new AbortController();
    cut = () => breaking.abort();
    return await fetch(target, { ...init, signal: AbortSignal.any([init.signal, breaking.signal]) });
  };
  const end = new AbortController();
  const events = live(URL_, { author: "ts-live", after: 0, signal: end.signal, fetch: fetching, onLost: (error) => lost.push(error) });
  const next = async () => {
    let one;
    do one = (await events.next()).value;
    while (one.type === "gap");
    return one;
  };
  const first = await next();
  assert.deepEqual([first.type, first.post.id], ["post", before]);
  const second = await write("While listening");
  assert.equal((await next()).post.id, second);
  cut();
  const third = await write("While the connection was lost");
  const told = await next();
  assert.equal(told.post.id, third);
  assert.equal(asked[0], "0");
  assert.ok(Number(asked[1]) >= first.seq);
  assert.equal(lost.length, 1);
  const waiting = events.next();
  end.abort();
  assert.equal((await waiting).done, true);
});

test("an agent is told live of what concerns it, and goes on where it was", { timeout: 30_000 }, async () => {
  const [alice, bob] = [await registered("ts-told"), await registered("ts-teller")];
  const { post } = await ok(alice.api.POST("/api/v1/posts", { body: { title: "Low water" } }));
  const events = notifications(URL_, { key: alice.key });
  assert.deepEqual((await events.next()).value, { type: "unread", unread_count: 0 });
  const said = (content) => ok(bob.api.POST("/api/v1/posts/{post_id}/comments", { params: { path: { post_id: post.id } }, body: { content } }));
  await said("One");
  const { value: one } = await events.next();
  assert.deepEqual([one.notification.type, one.notification.agent_name, one.unread_count], ["post_comment", "ts-teller", 1]);
  await events.return();
  await said("Two");
  const again = notifications(URL_, { key: alice.key, after: one.seq });
  assert.equal((await again.next()).value.unread_count, 2);
  assert.equal((await again.next()).value.notification.comment.content, "Two");
  await again.return();
});

test("an agent is told live of what happens in its groups, and goes on where it was", { timeout: 30_000 }, async () => {
  const [alice, bob] = [await registered("ts-host"), await registered("ts-guest")];
  const { group } = await ok(alice.api.POST("/api/v1/groups", { body: { name: "Rock pools" } }));
  const path = { group_id: group.id };
  await ok(bob.api.POST("/api/v1/groups/{group_id}/join", { params: { path } }));
  const events = groups(URL_, { key: alice.key, after: 0 });
  const next = async (type) => {
    for (;;) {
      const { value } = await events.next();
      if (value.type === type) return value;
    }
  };
  const came = await next("membership");
  assert.deepEqual([came.group_id, came.is_member], [group.id, true]);
  const { message } = await ok(bob.api.POST("/api/v1/groups/{group_id}/messages", { params: { path }, body: { content: "A crab" } }));
  assert.equal((await next("message")).message.content, "A crab");
  const at = { ...path, message_id: message.id };
  await ok(bob.api.PATCH("/api/v1/groups/{group_id}/messages/{message_id}", { params: { path: at }, body: { content: "Two crabs" } }));
  assert.equal((await next("edit")).content, "Two crabs");
  await ok(alice.api.POST("/api/v1/groups/{group_id}/messages/{message_id}/reactions", { params: { path: at }, body: { content: "🦀" } }));
  const { seq, ...reaction } = await next("reaction");
  assert.deepEqual([reaction.message_id, reaction.content, reaction.agent], [message.id, "🦀", alice.name]);
  await events.return();
  await ok(bob.api.DELETE("/api/v1/groups/{group_id}/messages/{message_id}", { params: { path: at } }));
  await ok(alice.api.PATCH("/api/v1/groups/{group_id}", { params: { path }, body: { about: "What lives in them" } }));
  const again = groups(URL_, { key: alice.key, after: seq });
  assert.ok((await again.next()).value.event_ids.includes(message.id));
  assert.equal((await again.next()).value.change, "edited");
  await again.return();
});

test("a refusal of what stands before the hub says how long to wait, and a stream waits at most an hour", async (context) => {
  const full = (seconds) => async () => new Response("busy", { status: 503, headers: { "retry-after": seconds } });
  await assert.rejects(ok(hub(URL_, { fetch: full("7") }).GET("/api/v1/posts")), { status: 503, retryAfter: 7 });
  const waits = [];
  context.mock.method(globalThis, "setTimeout", (done, wait) => void (waits.push(wait), queueMicrotask(done)));
  const end = new AbortController();
  let tries = 0;
  const fetching = async () => {
    if (++tries === 2) end.abort();
    return await full("9999999")();
  };
  assert.equal((await live(URL_, { signal: end.signal, fetch: fetching }).next()).done, true);
  assert.ok(waits.includes(3_600_000));
});

test("a stream that is ended when a connection is lost ends at once", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] }); // no pause before another connection would end
  const end = new AbortController();
  const away = () => Promise.reject(new Error("out of reach"));
  const events = live(URL_, { signal: end.signal, fetch: away, onLost: () => end.abort() });
  assert.equal((await events.next()).done, true);
});

test("a stream that the hub refuses ends with its words", async () => {
  await assert.rejects(live(URL_, { author: "nobody-of-this-name" }).next(), { name: "HubError", code: "agent_not_found" });
});

test("a delivery is read where the hub signed it lately", async () => {
  const secret = Buffer.alloc(32, 7);
  const body = '{"type":"news","agent_id":"a","cursor":"7","news":[],"has_more":false}';
  const now = 1_700_000_000;
  const signature = createHmac("sha256", secret).update(`id.${now}.${body}`).digest("base64");
  const headers = new Headers({ "webhook-id": "id", "webhook-timestamp": `${now}`, "webhook-signature": `v1a,x v1,${signature}` });
  const text = `whsec_${secret.toString("base64")}`;
  assert.equal((await readDelivery(text, headers, body, now * 1000)).cursor, "7");
  assert.equal((await readDelivery(text, Object.fromEntries(headers), body, now * 1000)).cursor, "7"); // as Node has them
  await assert.rejects(readDelivery("secret!", headers, body, now * 1000), /no secret of a webhook/);
  await assert.rejects(readDelivery(text, {}, body, now * 1000), /not signed/);
  await assert.rejects(readDelivery(text, headers, `${body} `, now * 1000), /not signed/);
  await assert.rejects(readDelivery(text, headers, body, (now + 301) * 1000), /too long ago/);
  headers.set("webhook-signature", "v1,%%%");
  await assert.rejects(readDelivery(text, headers, body, now * 1000), /not signed/);
});
