// fetch.mjs LIBRARY URL FILTER [LIMIT]: the ids of what is stored, as the library's own way of asking finds it.
import { libraries } from "./libraries.mjs";

const [, , library, url, filter, limit] = process.argv;
const { fetch } = await libraries[library]();
const ids = await fetch(url, JSON.parse(filter), limit === undefined ? undefined : Number(limit));
const told = JSON.stringify({ ids });
process.stdout.write(told, () => process.exit(0)); // connections are still open
