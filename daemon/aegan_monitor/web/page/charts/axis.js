// The time axis that all panels of a chart share, and round steps for values.

const STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 1209600, 2592000, 7776000, 31536000];
const LABEL_PX = 92;
const DAY_S = 86400;
const MONTHS = { 2592000: 1, 7776000: 3, 31536000: 12 }; // of steps that are no number of days

/** Times of the ticks between two times, each with its words in the viewer's zone. */
export function listTicks(begin_s, end_s, width) {
  const least_s = ((end_s - begin_s) * LABEL_PX) / width;
  const step_s = STEPS_S.find((step) => step >= least_s) ?? STEPS_S.at(-1);
  const times_s = step_s < DAY_S ? listTimes(begin_s, end_s, step_s) : listDays(begin_s, end_s, step_s);
  return times_s.filter((at_s) => at_s >= begin_s && at_s <= end_s).map((at_s) => ({ at_s, words: describeTick(at_s, step_s) }));
}

const zoneAt_s = (at_s) => -60 * new Date(1000 * at_s).getTimezoneOffset();

function listTimes(begin_s, end_s, step_s) {
  const zone_s = zoneAt_s(begin_s), times_s = [];
  for (let n = Math.ceil((begin_s + zone_s) / step_s); n * step_s - zone_s <= end_s; n += 1) times_s.push(n * step_s - zone_s);
  return times_s;
}

/** Midnights of the calendar: with summer time not each day has 24 hours. */
function listDays(begin_s, end_s, step_s) {
  const months = MONTHS[step_s], days = Math.round(step_s / DAY_S), times_s = [];
  const first = new Date(1000 * begin_s);
  let at = months
    ? new Date(first.getFullYear(), first.getMonth() - (first.getMonth() % months), 1)
    : new Date(first.getFullYear(), first.getMonth(), first.getDate() - (Math.floor((begin_s + zoneAt_s(begin_s)) / DAY_S) % days));
  while (at / 1000 <= end_s) {
    times_s.push(at / 1000);
    at = new Date(at.getFullYear(), at.getMonth() + (months ?? 0), at.getDate() + (months ? 0 : days));
  }
  return times_s;
}

function describeTick(at_s, step_s) {
  const date = new Date(1000 * at_s);
  if (step_s >= 2592000) return date.toLocaleDateString([], { year: "numeric", month: "short" });
  if (step_s >= 86400) return date.toLocaleDateString([], { month: "short", day: "numeric" });
  const isMidnight = date.getHours() === 0 && date.getMinutes() === 0 && date.getSeconds() === 0;
  if (step_s >= 3600 && isMidnight) return date.toLocaleDateString([], { month: "short", day: "numeric" });
  const options = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  if (step_s < 60) options.second = "2-digit";
  if (step_s < 1) options.fractionalSecondDigits = 1;
  return date.toLocaleTimeString([], options);
}

/** Round values between two bounds, at most `n` of them. */
export function listValues(low, high, n) {
  const raw = (high - low) / n;
  if (!(raw > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= raw);
  const values = [];
  for (let k = Math.ceil(low / step); k * step <= high + step * 1e-9; k += 1) values.push(k * step);
  return values;
}
