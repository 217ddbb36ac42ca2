// Numbers with units, and times in the viewer's zone with UTC on hover.

import { make } from "../dom.js";
import { texts } from "../texts.js";

const { unit, measure } = texts;
const nothing = measure.nothing;
const SPACE = "\u00a0"; // no line break between number and unit

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const withUnit = (value, digits, name) => (isNumber(value) ? `${value.toFixed(digits)}${SPACE}${name}` : nothing).replace("-", "\u2212");

export const decibels = (value, digits = 0) => withUnit(value, digits, unit.db);
export const level = (value) => withUnit(value, 1, unit.dbfs);
export const percent = (value, digits = 0) => withUnit(value, digits, unit.percent);
export const share = (value) => percent(isNumber(value) ? 100 * value : value);
export const megabytes = (bytes) => withUnit(bytes / 1e6, 0, unit.mb);

/** A number without a unit, to three digits. */
export function plain(value) {
  if (!isNumber(value)) return nothing;
  return String(Number(value.toPrecision(3))).replace("-", "\u2212");
}

export function count(value) {
  return isNumber(value) ? value.toLocaleString() : nothing;
}

export function frequency(hz) {
  return hz >= 1000 ? withUnit(hz / 1000, 2, unit.khz) : withUnit(hz, 0, unit.hz);
}

/** A span in the largest unit in which it is at least 1. */
export function duration(seconds) {
  if (!isNumber(seconds)) return nothing;
  const value = Math.max(0, seconds);
  if (value < 1) return withUnit(1000 * value, 0, unit.ms);
  if (value < 120) return withUnit(value, 0, unit.s);
  if (value < 7200) return withUnit(value / 60, 0, unit.min);
  if (value < 172800) return withUnit(value / 3600, 1, unit.h);
  return withUnit(value / 86400, 0, unit.d);
}

/** Seconds since 1970 of a time as the interface gives it: RFC 3339, or already seconds; null if there is none. */
export function seconds(time) {
  if (time === null || time === undefined) return null;
  return typeof time === "number" ? time : Date.parse(time) / 1000;
}

const isToday = (date) => date.toDateString() === new Date().toDateString();

/** A time in words: the clock alone for today, the date before it otherwise. */
export function clock(time) {
  const s = seconds(time);
  if (s === null) return nothing;
  const date = new Date(1000 * s);
  const hours = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  return isToday(date) ? hours : `${date.toLocaleDateString([], { year: "numeric", month: "short", day: "numeric" })}, ${hours}`;
}

/** The same as RFC 3339 in UTC. */
export const utc = (s) => new Date(1000 * s).toISOString();

/** An element with a time in the viewer's zone; UTC shows on hover. */
export function timeElement(time) {
  const element = make("time");
  setTime(element, time);
  return element;
}

export function setTime(element, time) {
  const s = seconds(time);
  const words = clock(s);
  if (element.textContent !== words) element.textContent = words;
  if (s === null) return;
  element.dateTime = utc(s);
  element.title = `${utc(s).replace("T", " ").replace("Z", "")} UTC`;
}
