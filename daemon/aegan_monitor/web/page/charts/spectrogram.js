// The live spectrogram of one machine, and its difference from normal sound, as server-sent events.

import { spectrogramAddress } from "../data/api.js";
import { decibels, frequency } from "../data/format.js";
import { LOUDER, QUIETER, SCALE } from "./colours.js";
import { Columns } from "./columns.js";

const FREQUENCIES_HZ = [50, 100, 200, 500, 1000, 2000, 4000, 8000, 16000];
const LEAST_DISTANCE = 0.11; // of two labels, where the panel's height is 1
const QUIET_SHARE = 0.02, LOUD_SHARE = 0.999; // of all values; what lies outside has the first or last colour
const LEAST_RANGE = 20; // of 256: a silent room is no firework
const MOVED = 6; // of 256, after which all is painted anew with the new range
const FADING = 0.98; // of the counts, with each message
const FULL_DB = 15; // a difference with the full colour
const RETRY_MS = 2000;

export class Spectrogram {
  constructor(machine, kept_s) {
    this.machine = machine;
    this.kept_s = kept_s;
    this.counts = new Float64Array(256);
    this.low = 0;
    this.high = 255;
  }

  open() {
    this.close();
    const source = new EventSource(spectrogramAddress(this.machine));
    this.source = source;
    source.addEventListener("scale", (message) => this.begin(JSON.parse(message.data)));
    source.addEventListener("columns", (message) => this.take(JSON.parse(message.data)));
    source.addEventListener("residual", (message) => { const { time, columns } = JSON.parse(message.data); this.residual?.add(time, columns); });
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED && source === this.source) this.timer = setTimeout(() => this.open(), RETRY_MS);
    };
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  begin(scale) {
    if (JSON.stringify(scale) === JSON.stringify(this.scale)) return; // a new connection: what was kept stays
    this.scale = scale;
    this.sound = new Columns(scale, this.kept_s, (byte) => this.paintByte(byte));
    this.residual = scale.residual && new Columns(scale.residual, this.kept_s, (byte) => paintDifference(byte, scale.residual));
  }

  take({ time, columns }) {
    if (!this.sound) return;
    const bytes = this.sound.add(time, columns);
    for (let i = 0; i < 256; i += 1) this.counts[i] *= FADING;
    for (const byte of bytes) this.counts[byte] += 1;
    this.stretch();
  }

  /** Fit the colours to what was heard. */
  stretch() {
    const sum = this.counts.reduce((a, b) => a + b, 0);
    let below = 0, low = 0, high = 255;
    for (let i = 0; i < 256; i += 1) {
      if (below <= QUIET_SHARE * sum) low = i;
      if (below <= LOUD_SHARE * sum) high = i;
      below += this.counts[i];
    }
    high = Math.max(high, low + LEAST_RANGE);
    if (Math.abs(low - this.low) <= MOVED && Math.abs(high - this.high) <= MOVED) return;
    this.low = low;
    this.high = high;
    this.sound.repaint();
  }

  paintByte(byte) {
    const shade = Math.round((255 * (byte - this.low)) / (this.high - this.low));
    return [...SCALE[Math.min(255, Math.max(0, shade))], 255];
  }

  /** Where frequencies lie in the picture, from 0 (lowest) to 1. */
  labels() {
    if (!this.scale) return [];
    const centres = this.scale.edges_hz.slice(1, -1);
    return thin(FREQUENCIES_HZ.filter((hz) => hz > centres[0] && hz < centres.at(-1)).map((hz) => {
      const i = centres.findIndex((centre) => centre > hz) - 1;
      return [(i + 0.5 + (hz - centres[i]) / (centres[i + 1] - centres[i])) / this.scale.n_bands, hz];
    }));
  }

  /** The same for the difference, whose bands are all of one width. */
  residualLabels() {
    const { highest_hz } = this.scale.residual;
    const step_hz = highest_hz / 4;
    return thin([1, 2, 3].map((n) => [n / 4, n * step_hz]));
  }

  /** The quietest and loudest colour in words. */
  bounds() {
    if (!this.scale) return null;
    const { db_min, db_max } = this.scale;
    return [this.low, this.high].map((byte) => decibels(db_min + (byte / 255) * (db_max - db_min)));
  }
}

/** Leave out labels that are too near to the one before. */
function thin(labels) {
  let last = -1;
  const kept = labels.filter(([at]) => {
    const isFree = at - last > LEAST_DISTANCE;
    if (isFree) last = at;
    return isFree;
  });
  return kept.map(([at, hz]) => [at, frequency(hz).replace(".00", "")]);
}

/** Louder than normal is red, quieter blue; normal cannot be seen. */
function paintDifference(byte, { db_min, db_max }) {
  const db = db_min + (byte / 255) * (db_max - db_min);
  return [...(db > 0 ? LOUDER : QUIETER), Math.round(255 * Math.min(1, Math.abs(db) / FULL_DB) ** 1.3)];
}
