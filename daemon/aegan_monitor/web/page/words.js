// What the page says of one machine: its condition in a sentence, and badges.

import { serverNow_s } from "./data/api.js";
import { clock, duration, plain, seconds } from "./data/format.js";
import { isDeaf } from "./data/plant.js";
import { texts } from "./texts.js";

const { sentence, badge } = texts;

/** One or two sentences: what is the matter, and since when. */
export function describe(plant, machine) {
  const { alarm, sensor, health } = machine;
  const condition = plant.judge(machine);
  if (!plant.isLive) return sentence.lost(machine.heard_s === null ? null : clock(machine.heard_s));
  if (condition === "wrong") {
    const since = alarm.case?.began_at ?? alarm.since;
    const words = sentence.wrong(clock(since), duration(serverNow_s() - seconds(since)));
    return alarm.case?.cause ? `${words} ${capital(alarm.case.cause)}.` : words;
  }
  if (condition === "deaf") return sentence.deaf(sensor.detail || sensor.state, clock(sensor.since));
  if (condition === "unknown") {
    const late_s = plant.lateness_s(machine);
    if (late_s !== null) return sentence.late(duration(late_s));
    return alarm?.measured_at ? sentence.unconfirmed(alarm.state) : sentence.first;
  }
  if (alarm.state === "pending") return sentence.pending;
  if (condition === "quiet") return sentence.quiet(plain(health.proved_per_week));
  if (typeof health?.designed_per_week !== "number") return sentence.noBudget;
  const designed = plain(health.designed_per_week);
  return typeof health.proved_per_week === "number" ? sentence.unproved(designed, plain(health.proved_per_week)) : sentence.unprovedYet(designed);
}

/** Short marks beside the condition. */
export function listBadges(plant, machine) {
  const { alarm } = machine;
  if (!plant.isLive || !alarm) return [];
  const badges = [];
  if (alarm.active && alarm.acknowledged) badges.push(badge.acknowledged);
  if (alarm.isa_state === "cleared_unacknowledged") badges.push(badge.latched);
  if (alarm.shelved_until) badges.push(badge.shelved(clock(alarm.shelved_until)));
  if (alarm.out_of_service) badges.push(badge.outOfService);
  if (alarm.case?.recurrences) badges.push(badge.recurring(alarm.case.recurrences));
  if (alarm.case?.common) badges.push(badge.common);
  if (plant.judge(machine) === "wrong" && isDeaf(machine)) badges.push(texts.condition.deaf.toLowerCase());
  return badges;
}

export const capital = (words) => words.charAt(0).toUpperCase() + words.slice(1);

/** The proof of the budget in words. */
export function describeBudget(health) {
  if (!health) return texts.measure.nothing;
  if (typeof health.designed_per_week !== "number") return texts.measure.none;
  const proved = typeof health.proved_per_week === "number" ? texts.measure.proved(plain(health.proved_per_week)) : texts.measure.notProved;
  return `${texts.measure.wanted(plain(health.designed_per_week))}, ${proved}`;
}
