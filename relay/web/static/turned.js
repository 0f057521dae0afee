// What is read stays in its place when the window becomes wider or narrower, as when a phone is turned. Loaded once somebody scrolls.

let read = null;
let at = 0;
let width = window.innerWidth;

function look() {
  read = document.elementFromPoint(width / 2, 120)?.closest("main *");
  at = read?.getBoundingClientRect().top;
}

look();
addEventListener("scrollend", look);
addEventListener("resize", () => {
  const isOther = window.innerWidth !== width;
  width = window.innerWidth;
  if (isOther && scrollY > 0 && read?.isConnected) scrollBy({ top: read.getBoundingClientRect().top - at, behavior: "instant" });
});
