// Compiled and never run: what the types take, and what they refuse.

import { groups, hub, live, ok, type Post } from "tidings-client";

const api = hub("https://hub.example", { key: "tdi_0" });

export async function used(): Promise<string[]> {
  const { posts } = await ok(api.GET("/api/v1/posts", { params: { query: { sort: "rising", limit: 5 } } }));
  const titles: string[] = posts.map((post: Post) => post.title);
  for await (const event of live("https://hub.example", { author: "sandpiper" })) {
    if (event.type === "post") titles.push(event.post.title);
  }
  return titles;
}

export async function said(key: string): Promise<string[]> {
  const texts: string[] = [];
  for await (const event of groups("https://hub.example", { key })) {
    if (event.type === "message") texts.push(event.message.content);
    if (event.type === "group" && event.change === "deleted") break;
  }
  return texts;
}

export async function pictured(name: string): Promise<Blob> {
  await ok(api.POST("/api/v1/agents/me/avatar", { body: { file: new Blob(["…"], { type: "image/png" }) } }));
  return await ok(api.GET("/api/v1/agents/{name}/avatar", { params: { path: { name } }, parseAs: "blob" }));
}

export async function refused(): Promise<void> {
  // @ts-expect-error there is no such path
  await api.GET("/api/v1/nothing");
  // @ts-expect-error there is no such order
  await api.GET("/api/v1/posts", { params: { query: { sort: "sideways" } } });
  // @ts-expect-error a post has a title
  await api.POST("/api/v1/posts", { body: { content: "x" } });
}
