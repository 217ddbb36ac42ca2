// The live spectrogram: columns of bytes come as server-sent events and are kept in a ring, drawn by their time.

import { spectrogramAddress } from "../data/api.js";
import { decibels, frequency, seconds } from "../data/format.js";
import { SCALE } from "./colours.js";

const FREQUENCIES_HZ = [50, 100, 200, 500, 1000, 2000, 4000, 8000, 16000];
const QUIET_SHARE = 0.02, LOUD_SHARE = 0.999; // of all values; what lies outside has the first or last colour
const LEAST_RANGE = 20; // of 256: a silent room is no firework
const MOVED = 6; // of 256, after which all is painted anew with the new range
const JITTER_COLUMNS = 8; // a message may be so early or late
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
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED && source === this.source) this.timer = setTimeout(() => this.open(), RETRY_MS);
    };
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  begin(range) {
    this.range = range;
    const { n_bands } = range;
    const n_columns = Math.ceil(this.kept_s / range.column_s);
    this.last = null; // number of the newest column: its time in columns
    if (this.bytes?.length === n_bands * n_columns) return; // a new connection: what was kept stays
    this.n_bands = n_bands;
    this.n_columns = n_columns;
    this.bytes = new Uint8Array(n_bands * n_columns);
    this.numbers = new Float64Array(n_columns).fill(-1); // of the column in each place
    this.canvas = new OffscreenCanvas(n_columns, n_bands);
    this.context = this.canvas.getContext("2d");
    this.column = this.context.createImageData(1, n_bands);
  }

  take({ time, columns }) {
    if (!this.range) return;
    const bytes = Uint8Array.from(atob(columns), (letter) => letter.charCodeAt(0));
    const n_new = Math.floor(bytes.length / this.n_bands);
    const byTime = Math.round(seconds(time) / this.range.column_s);
    const next = this.last === null ? byTime : this.last + n_new;
    const last = Math.abs(byTime - next) <= JITTER_COLUMNS ? next : byTime;
    for (let i = 0; i < n_new; i += 1) {
      const number = last - n_new + 1 + i;
      const place = number % this.n_columns;
      this.bytes.set(bytes.subarray(i * this.n_bands, (i + 1) * this.n_bands), place * this.n_bands);
      this.numbers[place] = number;
      this.paintColumn(place);
    }
    this.last = last;
    for (let i = 0; i < 256; i += 1) this.counts[i] *= 0.98;
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
    for (let place = 0; place < this.n_columns; place += 1) if (this.numbers[place] >= 0) this.paintColumn(place);
  }

  paintColumn(place) {
    const pixels = this.column.data;
    for (let band = 0; band < this.n_bands; band += 1) {
      const byte = this.bytes[place * this.n_bands + band];
      const shade = Math.round((255 * (byte - this.low)) / (this.high - this.low));
      const at = 4 * (this.n_bands - 1 - band);
      [pixels[at], pixels[at + 1], pixels[at + 2]] = SCALE[Math.min(255, Math.max(0, shade))];
      pixels[at + 3] = 255;
    }
    this.context.putImageData(this.column, place, 0);
  }

  /** Draw what lies between two times into the box of a chart's panel. */
  paint(context, box, begin_s, end_s) {
    if (!this.range || this.last === null) return;
    const { column_s } = this.range;
    const first = Math.max(Math.floor(begin_s / column_s), this.last - this.n_columns + 1);
    context.imageSmoothingEnabled = false;
    let number = first;
    while (number <= this.last && number * column_s <= end_s) { // stretches without a gap, none over the ring's end
      const place = ((number % this.n_columns) + this.n_columns) % this.n_columns;
      let n = 0;
      while (place + n < this.n_columns && number + n <= this.last && this.numbers[place + n] === number + n) n += 1;
      const left = box.x((number - 1) * column_s), right = box.x((number + n - 1) * column_s);
      if (n) context.drawImage(this.canvas, place, 0, n, this.n_bands, left, box.top, right - left, box.height);
      number += Math.max(1, n);
    }
  }

  /** Where frequencies lie in the picture, from 0 (lowest) to 1. */
  labels() {
    if (!this.range) return [];
    const edges = this.range.edges_hz.slice(1, -1); // the centres of the bands
    const found = FREQUENCIES_HZ.filter((hz) => hz > edges[0] && hz < edges.at(-1)).map((hz) => {
      const i = edges.findIndex((edge) => edge > hz) - 1;
      return [(i + 0.5 + (hz - edges[i]) / (edges[i + 1] - edges[i])) / this.n_bands, frequency(hz).replace(".00", "")];
    });
    let last = -1;
    return found.filter(([at]) => { const isFree = at - last > 0.11 || last < 0; if (isFree) last = at; return isFree; });
  }

  /** The quietest and loudest colour in words. */
  bounds() {
    if (!this.range) return null;
    const { db_min, db_max } = this.range;
    const of = (byte) => decibels(db_min + (byte / 255) * (db_max - db_min));
    return [of(this.low), of(this.high)];
  }
}
