// What is known of every machine, and what that means: sounding wrong, deaf, not known, unproved or quiet.

import { serverNow_s } from "./api.js";
import { seconds } from "./format.js";

export const CONDITIONS = ["wrong", "deaf", "unknown", "unproved", "quiet"]; // the worst first
export const KEPT_S = 900; // of live scores
const LATE_S = 30; // a decision falls every second
const FIRST_S = 60; // after a connection, until the lack of a first decision counts

class Machine {
  constructor(known) {
    this.name = known.name;
    this.scores = []; // payloads of the last KEPT_S, the newest last
    this.update(known);
  }

  update(known) {
    Object.assign(this, { alarm: null, sensor: null, health: null }, known);
    this.heard_s = seconds(known.score?.time) ?? null;
  }

  takeScore(score) {
    const isKnown = seconds(score.time) === this.scores.at(-1)?.at_s; // the state at the start repeats the newest
    this.score = score;
    this.heard_s = seconds(score.time);
    if (!isKnown) this.scores.push({ ...score, at_s: this.heard_s });
    const oldest_s = this.heard_s - KEPT_S;
    while (this.scores[0].at_s < oldest_s) this.scores.shift();
  }
}

export class Plant extends EventTarget {
  machines = new Map();
  node = ""; // name of the device
  health = null;
  isLive = false;
  mayCommand = false;
  needsToken = false;
  person = "";
  wasLive = false;
  lostAt_s = null;
  liveSince_s = null;

  /** Take all that the monitor knows now: after this nothing of before counts. */
  load({ node, machines }, health, session) {
    this.node = node;
    this.needsToken = session.needs_token;
    this.person = session.name; // where the session knows it, the monitor uses it
    this.mayCommand = session.role === "operator";
    const names = new Set(machines.map((each) => each.name));
    for (const name of this.machines.keys()) if (!names.has(name)) this.machines.delete(name);
    for (const known of machines) {
      const before = this.machines.get(known.name);
      if (before) before.update(known);
      else this.machines.set(known.name, new Machine(known));
    }
    this.takeHealth(health);
    this.isLive = this.wasLive = true;
    this.liveSince_s = serverNow_s();
    this.notify("connection");
    this.notify("machines");
  }

  lose() {
    if (this.isLive || this.lostAt_s === null) this.lostAt_s = serverNow_s();
    this.isLive = false;
    this.notify("connection");
    this.notify("machines");
  }

  take(kind, name, payload) {
    if (kind === "health") { this.takeHealth(payload); this.notify("machines"); return; }
    const machine = this.machines.get(name);
    if (!machine) return;
    if (kind === "score") machine.takeScore(payload);
    else if (kind !== "event") machine[kind] = payload;
    this.notify("machines");
    this.notify(kind, { machine, payload });
  }

  /** Whether these are the machines of a health message. */
  hasMachines({ machines }) {
    const names = Object.keys(machines);
    return names.length === this.machines.size && names.every((name) => this.machines.has(name));
  }

  takeHealth(health) {
    this.health = health;
    for (const [name, of] of Object.entries(health.machines ?? {})) {
      const machine = this.machines.get(name);
      if (machine) machine.health = of;
    }
    this.notify("health");
  }

  notify(kind, detail) { this.dispatchEvent(new CustomEvent(kind, { detail })); }

  /** The condition of a machine. Without a connection nothing is known: the last state is never shown as the present one. */
  judge(machine) {
    if (!this.isLive) return "unknown";
    if (machine.alarm?.active || isHeldWrong(machine)) return "wrong";
    if (isDeaf(machine)) return "deaf";
    if (!machine.alarm?.confirmed || this.lateness_s(machine) !== null) return "unknown";
    return isProved(machine) ? "quiet" : "unproved";
  }

  /** Seconds without a decision, where there should have been one; null if all is well. */
  lateness_s(machine) {
    const now_s = serverNow_s();
    if (machine.heard_s === null) return now_s - this.liveSince_s > FIRST_S ? now_s - this.liveSince_s : null;
    const age_s = now_s - machine.heard_s;
    return age_s > LATE_S && now_s - this.liveSince_s > LATE_S ? age_s : null;
  }
}

export const isDeaf = (machine) => Boolean(machine.sensor) && machine.sensor.state !== "ok";

/** Whether it sounds wrong under a shelf or out of service. */
export function isHeldWrong({ alarm }) {
  return Boolean(alarm) && ["alarm", "clearing"].includes(alarm.state) && (alarm.shelved_until !== null || alarm.out_of_service);
}

export function isProved({ health }) {
  return typeof health?.designed_per_week === "number" && typeof health.proved_per_week === "number" && health.proved_per_week <= health.designed_per_week;
}
