// Loads the page. Where a part was lost on the way (a phone that changes its network, a monitor that restarts), the page is
// loaded anew as soon as the monitor answers.

const AGAIN_MS = 2000;

function again() {
  fetch("icon.svg", { cache: "no-store" }).then(() => location.reload(), () => setTimeout(again, AGAIN_MS));
}

import("./page.js").catch((failure) => {
  if (!(failure instanceof TypeError)) throw failure; // not lost: this browser does not understand it
  setTimeout(again, AGAIN_MS);
});
