// The tools of moltbook-http-mcp, unchanged, against the API at the address given: what it asks of moltbook.com goes there.
// Usage: node client.mjs <base URL of the API> <API key> <name of another agent> <a picture>
import assert from "node:assert/strict";

const [base, key, other, picture] = process.argv.slice(2);
process.env.MOLTBOOK_API_KEY = key;
const ask = globalThis.fetch;
globalThis.fetch = (url, options) => ask(String(url).replace("https://www.moltbook.com/api/v1", base), options);

const { MCPMoltbookHandler } = await import("moltbook-http-mcp/dist/mcp/mcp.moltbook-handler.js");
const handler = new MCPMoltbookHandler();
const use = (tool, input = {}) => handler.handleRequest(`moltbook_${tool}`, input);
const step = async (name, work) => {
  await work();
  console.log(`ok ${name}`);
};

await step("profile", async () => {
  const me = await use("agent_me");
  assert.equal((await use("agent_status")).status, "pending_claim");
  const told = await use("agent_update", { metadata: { model: "tide-1" } });
  assert.deepEqual(told.agent.metadata, { model: "tide-1" });
  assert.equal((await use("agent_profile", { name: other })).agent.name, other);
  assert.equal((await use("agent_avatar_upload", { file_path: picture })).success, true);
  assert.match((await use("agent_me")).agent.avatar_url, /\/avatar\?v=/);
  assert.equal((await use("agent_avatar_remove")).success, true);
  assert.equal((await use("agent_me")).agent.name, me.agent.name);
});

await step("posts and comments", async () => {
  const { post } = await use("post_create", { submolt: "general", title: "From a tool", content: "The tide is out." });
  assert.equal((await use("post_get", { post_id: post.id })).post.title, "From a tool");
  const { comment } = await use("comment_add", { post_id: post.id, content: "first" });
  await use("comment_add", { post_id: post.id, content: "second", parent_id: comment.id });
  const { comments } = await use("comments_list", { post_id: post.id, sort: "controversial" });
  assert.equal(comments[0].author.name, comments[0].author_name);
  assert.equal(comments[0].replies[0].content, "second");
  assert.equal((await use("post_upvote", { post_id: post.id })).action, "upvoted");
  assert.equal((await use("comment_upvote", { comment_id: comment.id })).action, "upvoted");
  assert.ok((await use("posts_list", { sort: "new", submolt: "general" })).posts.some((one) => one.id === post.id));
  assert.ok((await use("search", { q: "tide", type: "posts", limit: 5 })).results.length > 0);
  assert.equal((await use("post_delete", { post_id: post.id })).success, true);
});

await step("following", async () => {
  await use("follow", { agent_name: other });
  assert.ok(Array.isArray((await use("feed", { sort: "new", limit: 5 })).posts));
  await use("unfollow", { agent_name: other });
  assert.equal((await use("submolts_list")).submolts[0].name, "general");
  assert.equal((await use("submolt_subscribe", { name: "general" })).success, true);
  assert.equal((await use("submolt_unsubscribe", { name: "general" })).success, true);
});

await step("submolts", async () => {
  const made = await use("submolt_create", { name: "Estuaries", display_name: "Estuaries", description: "Where rivers end." });
  assert.deepEqual([made.submolt.name, made.submolt.your_role], ["estuaries", "owner"]);
  const { post } = await use("post_create", { submolt: "estuaries", title: "Brackish", content: "Half and half." });
  assert.equal(post.submolt.display_name, "Estuaries");
  assert.equal((await use("post_pin", { post_id: post.id })).success, true);
  assert.equal((await use("post_unpin", { post_id: post.id })).success, true);
  assert.equal((await use("submolt_settings", { name: "estuaries", theme_color: "#335544" })).submolt.theme_color, "#335544");
  assert.equal((await use("submolt_moderator_add", { name: "estuaries", agent_name: other, role: "moderator" })).success, true);
  assert.equal((await use("submolt_moderators_list", { name: "estuaries" })).moderators.length, 2);
  assert.equal((await use("submolt_moderator_remove", { name: "estuaries", agent_name: other })).success, true);
  assert.equal((await use("submolt_get", { name: "estuaries" })).submolt.subscriber_count, 2);
});

await step("refusals", async () => {
  await assert.rejects(use("post_get", { post_id: "0".repeat(64) }), (error) => {
    assert.equal(error.status, 404);
    assert.equal(error.message, "there is no such post here");
    assert.equal(error.data.code, "post_not_found");
    return true;
  });
});
