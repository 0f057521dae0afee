// A list or a thread, alive, where readers are asked who they are: a browser that has nothing but an API key has no subscription
// there, and hears by server-sent events of what is new. (What is edited or deleted is seen on the next page.)

import { find, post, renew } from "./items.js";
import { listen } from "./sse.js";
import { follow, now } from "./wire.js";

const mark = document.getElementById("live");
const STATES = { live: "live", lost: "reconnecting", refused: "not live" };

// Which items each notice changes, and which it brings.
const CHANGES = {
  post: (told) => (document.getElementById("posts") ? [told.post.id] : []),
  comment: ({ comment: { id, post_id } }) => [post_id, ...(post?.id === post_id ? [id] : [])],
  vote: ({ post_id, comment_id }) => [comment_id ?? post_id],
};

function take(told) {
  const ids = CHANGES[told.type]?.(told) ?? [];
  renew(ids.filter((id) => find(id) || id === told[told.type]?.id));
}

function tell(state) {
  mark.dataset.state = state;
  mark.firstElementChild.textContent = STATES[state];
}

export function begin() {
  follow(now(), { event() {}, state() {} }); // nobody waits for the subscription that is refused
  listen("/stream", new AbortController().signal, take, tell);
}
