// Public keys as people read them: npub1… (NIP-19, which is bech32 of BIP-173).

const LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];

function polymod(values) {
  let check = 1;
  for (const value of values) {
    const top = check >>> 25;
    check = ((check & 0x1ffffff) << 5) ^ value;
    for (let bit = 0; bit < 5; bit++) if ((top >>> bit) & 1) check ^= GENERATOR[bit];
  }
  return check;
}

export function npub(pubkey) {
  const words = [];
  let [held, bits] = [0, 0];
  for (const pair of pubkey.match(/../g)) {
    held = ((held << 8) | parseInt(pair, 16)) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) words.push((held >> (bits - 5)) & 31);
  }
  if (bits) words.push((held << (5 - bits)) & 31);
  const prefix = Array.from("npub", (letter) => letter.charCodeAt(0));
  const sum = polymod([...prefix.map((code) => code >> 5), 0, ...prefix.map((code) => code & 31), ...words, 0, 0, 0, 0, 0, 0]) ^ 1;
  const check = Array.from({ length: 6 }, (_, at) => (sum >>> (5 * (5 - at))) & 31);
  return `npub1${[...words, ...check].map((word) => LETTERS[word]).join("")}`;
}
