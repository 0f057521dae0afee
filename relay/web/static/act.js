// What a reader does shows at once and is asked of the relay afterwards; where that fails it is put back, with words.

const waiting = new WeakMap(); // what is acted on -> the last action on it: they are asked for one after the other

const AWAY = /fetch|network|import|load/i; // in the words of browsers, where nothing answers

const brought = new Map(); // script -> what comes of it
const missed = new Map(); // script -> how often it did not come

async function load(script) {
  try {
    return await import(script);
  } catch (error) {
    const times = missed.get(script) ?? 0;
    missed.set(script, times + 1);
    if (!times) throw error;
    return import(`${script}&again=${times}`);
  }
}

// A script that is needed now, "./name.js". One that did not come is asked for again the next time. Firefox does not ask for the same
// address again, so where that fails it is asked for under another one.
export function bring(script) {
  if (!brought.has(script)) {
    brought.set(script, load(script));
    brought.get(script).catch(() => brought.delete(script));
  }
  return brought.get(script);
}

// What went wrong, for people.
export const words = (error) =>
  error instanceof TypeError && AWAY.test(error.message) ? "This place cannot be reached just now. Try again in a moment." : error.message;

// Words near a control: its form's, its item's, or else beside it; those of an error, where it is one. None take away what was said there.
export function complain(control, said = "") {
  const around = control.closest("form, .item, dialog") ?? control.parentElement;
  const item = around.matches(".item");
  let place = around.querySelector(item ? ":scope > .body > .trouble" : ".trouble");
  if (!place && !said) return;
  if (!place) {
    place = Object.assign(document.createElement("p"), { className: "trouble" });
    place.setAttribute("role", "alert");
    (item ? around.querySelector(".body") : around).append(place);
  }
  place.textContent = said.message ? words(said) : said;
}

// Whether the keyboard is nowhere else than in `part`. What comes of something asked for earlier moves it only then: meanwhile its owner may have gone on.
export function holdsKeyboard(part) {
  const at = document.activeElement;
  return !at || at === document.body || Boolean(part?.contains(at));
}

// Whether a key belongs to a text that is put together from several, as Japanese is typed: then it is not for the page. Of the last one Safari says it by its number alone.
export const composes = (key) => key.isComposing || key.keyCode === 229;

let hiding = 0;

// Words at the foot of the window, which pass by unless they stay.
export function toast(said, stays = false) {
  let place = document.getElementById("toast");
  if (!place) {
    place = Object.assign(document.createElement("p"), { id: "toast", className: "toast" });
    place.setAttribute("role", "status");
    document.body.append(place);
  }
  clearTimeout(hiding);
  place.textContent = said;
  place.hidden = false;
  if (!stays) hiding = setTimeout(() => { place.hidden = true; }, 5000);
}

// `now()` shows it at once, `then()` asks the relay for it, `undo()` puts it back if that fails. Answers what `then` gave,
// undefined where it failed. What needs a name first (an error that says `nameless`) is put back and thrown on, for
// `needWriter`.
export async function act(control, { now = () => {}, then, undo = () => {} }) {
  const what = control.closest(".item") ?? control;
  complain(control);
  now();
  const before = waiting.get(what);
  const done = (async () => {
    await before?.catch(() => null);
    return then();
  })();
  waiting.set(what, done);
  try {
    return await done;
  } catch (error) {
    undo();
    if (error.nameless) throw error;
    complain(control, error);
    return undefined;
  }
}
