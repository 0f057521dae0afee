// What who runs this place says of somebody: that they may not write here any more, or that they may.

import { api } from "./api.js";

// `who` is a key, or a name or an identity with @ before it, which stands for all of its keys.
const place = (who) => `/rules/key/${encodeURIComponent(who)}`;
export const ban = (who, reason, remove = false) => api("PUT", place(who), { allowed: false, reason, remove });
export const letWrite = (who) => api("DELETE", place(who));
export const leave = (who) => api("PUT", place(who), { allowed: true, reason: "reported, and looked at" });
