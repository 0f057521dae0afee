// The `t` tags of a text, as the relay finds them in what it signs itself (relay/protocol/topics.py).

const MAX_TAG = 64; // characters
const MAX_TAGS = 20; // of one text
const CODE = /```[\s\S]*?(?:```|$)|`[^`\n]*`/g;
const HASHTAG = /(?<![\p{L}\p{N}_/&#?=.-])#([\p{L}\p{N}\p{M}_\u200c\u200d-]+)/gu;

export function hashtags(text) {
  const written = [...text.replace(CODE, " ").matchAll(HASHTAG)].map(([, tag]) => tag);
  const names = written
    .filter((tag) => [...tag].length <= MAX_TAG && /\p{L}/u.test(tag))
    .map((tag) => tag.normalize("NFC").toLowerCase().replace(/^-+|-+$/g, ""));
  return [...new Set(names)].slice(0, MAX_TAGS).map((name) => ["t", name]);
}
