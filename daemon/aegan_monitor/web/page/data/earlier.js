// What history knows of the minutes before the page was opened.

import { readSeries, serverNow_s } from "./api.js";
import { KEPT_S } from "./plant.js";

const N_POINTS = 900;

/** Put it before the live scores of a machine. Without history there is none. */
export async function readEarlier(machine) {
  const end_s = serverNow_s();
  try {
    const { times_s, score_mean, evidence_max, level_mean } = await readSeries(machine.name, end_s - KEPT_S, end_s, N_POINTS);
    const points = times_s.map((at_s, i) => ({ at_s, score: score_mean[i], evidence: evidence_max[i], level_dbfs: level_mean[i] }));
    machine.earlier = points.filter((each) => each.score !== null);
  } catch {
    machine.earlier = [];
  }
}

/** Live scores with what was before them. */
export function joinScores(machine) {
  const first_s = machine.scores[0]?.at_s ?? Infinity;
  return [...(machine.earlier ?? []).filter((each) => each.at_s < first_s), ...machine.scores];
}
