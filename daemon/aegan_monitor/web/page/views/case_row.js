// One case as a line of a list.

import { duration, seconds, share, timeElement } from "../data/format.js";
import { make } from "../dom.js";
import { texts } from "../texts.js";
import { capital } from "../words.js";

const { cases: words } = texts;

/** What a person has done with a case: unseen, acknowledged, or the verdict. */
export const statusOf = (found) => found.verdict || (found.seen ? "acknowledged" : "unseen");

export function spanOf(found) {
  if (!found.ended_at) return words.open;
  return words.lasted(duration(seconds(found.ended_at) - seconds(found.began_at)));
}

/** Where the page shows a case. */
export const caseAddress = ({ machine, id }) => `#/cases/${encodeURIComponent(machine)}/${encodeURIComponent(id)}`;

/** A link to the case. */
export function caseRow(found, attributes = {}) {
  const status = statusOf(found);
  return make("a", { class: "case-row", href: caseAddress(found), "data-status": status, "data-severity": found.severity, ...attributes },
    make("span", { class: "row-head" }, make("strong", {}, found.machine), timeElement(found.began_at)),
    make("span", { class: "row-cause" }, capital(found.cause || texts.measure.nothing)),
    make("span", { class: "row-foot" }, make("span", { class: "status" }, words.status[status] ?? status), make("span", {}, texts.severity[found.severity]),
      make("span", {}, spanOf(found)), typeof found.evidence === "number" ? make("span", {}, words.evidence(share(found.evidence))) : null));
}
