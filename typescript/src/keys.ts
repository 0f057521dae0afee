/** The header that an API key is sent in, without the line's end of a file. Throws TypeError, without the key in it, for what is none. */
export function bearer(key: string): string {
  const plain = key.trim();
  if (!/^[\x21-\x7e]+$/.test(plain)) {
    throw new TypeError(plain === "" ? "the API key is empty" : "the API key holds what no key has");
  }
  return `Bearer ${plain}`;
}
