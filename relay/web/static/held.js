// What stands in a form that somebody has begun, kept in this browser: all of its fields, to be there again after a reload.

import { onParting, PAUSE } from "./drafts.js";

const all = (form) => [...form.querySelectorAll("[name]")];
const valueOf = (field) => (field.matches("[type=checkbox], [type=radio]") ? field.checked : field.value);
const isTouched = (field) => field.checked !== field.defaultChecked
  || (field.options ? field.selectedIndex !== Math.max(0, [...field.options].findIndex((one) => one.defaultSelected)) : field.value !== field.defaultValue);

// Keeps what a form that somebody has begun holds, by the order of its fields, and fills it in again. `store` is where it is kept, as localStorage does.
// Answers `isBegun`, whether there is something, `flush`, for when the form goes, and `forget`.
export function hold(form, name, store) {
  const attempt = (work) => {
    try {
      return work();
    } catch {
      return null; // storage is switched off or full
    }
  };
  let timer = 0;
  const save = () => {
    clearTimeout(timer);
    timer = 0;
    attempt(() => store().setItem(name(), JSON.stringify({ fields: all(form).map(valueOf), at: Date.now() })));
  };
  const kept = attempt(() => JSON.parse(store().getItem(name())))?.fields;
  const isBegun = all(form).some(isTouched);
  for (const [at, field] of all(form).entries()) {
    if (kept?.[at] === undefined || isTouched(field)) continue; // typed before this script was there
    if (typeof kept[at] === "boolean") field.checked = kept[at];
    else field.value = kept[at];
  }
  const soon = () => { timer ||= setTimeout(save, PAUSE); };
  form.addEventListener("input", soon);
  if (isBegun) soon();
  const flush = () => timer && save();
  onParting(flush);
  return {
    isBegun: isBegun || Boolean(kept),
    flush,
    forget() {
      clearTimeout(timer);
      timer = 0;
      attempt(() => store().removeItem(name()));
    },
  };
}
