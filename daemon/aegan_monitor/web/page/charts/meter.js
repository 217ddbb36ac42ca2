// A level meter from -80 dBFS to full scale, with the good range marked.

import { level } from "../data/format.js";
import { make, setText } from "../dom.js";

export const QUIETEST_DBFS = -37, LOUDEST_DBFS = -12; // of a good level, as `aegan-monitor record` has them
const LOWEST_DBFS = -80;

const place = (dbfs) => Math.min(100, Math.max(0, 100 * (1 - dbfs / LOWEST_DBFS)));

export class Meter {
  constructor() {
    this.bar = make("span", { class: "bar" });
    const good = make("span", { class: "good" });
    good.style.left = `${place(QUIETEST_DBFS)}%`;
    good.style.width = `${place(LOUDEST_DBFS) - place(QUIETEST_DBFS)}%`;
    this.scale = make("span", { class: "scale", role: "meter", "aria-valuemin": LOWEST_DBFS, "aria-valuemax": 0 }, good, this.bar);
    this.value = make("span", { class: "value" });
    this.root = make("div", { class: "meter" }, this.scale, this.value);
  }

  /** Show a level in dBFS; null if there is none. */
  show(dbfs, label) {
    this.bar.style.width = `${dbfs === null ? 0 : place(dbfs)}%`;
    this.scale.setAttribute("aria-valuenow", dbfs === null ? LOWEST_DBFS : Math.max(LOWEST_DBFS, Math.round(dbfs)));
    this.scale.setAttribute("aria-valuetext", level(dbfs));
    this.scale.setAttribute("aria-label", label);
    setText(this.value, level(dbfs));
  }
}
