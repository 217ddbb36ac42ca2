// Columns of bytes over time, kept in a ring as a picture, and drawn by their times.

import { seconds } from "../data/format.js";

const JITTER_S = 0.3; // a message may be so early or late

export class Columns {
  /** `scale` has n_bands and column_s; `paintByte(byte)` gives [red, green, blue, alpha]. */
  constructor({ n_bands, column_s }, kept_s, paintByte) {
    this.n_bands = n_bands;
    this.column_s = column_s;
    this.paintByte = paintByte;
    this.n_columns = Math.ceil(kept_s / column_s);
    this.last = null; // number of the newest column: its time in columns
    this.bytes = new Uint8Array(n_bands * this.n_columns);
    this.numbers = new Float64Array(this.n_columns).fill(-1); // of the column in each place
    this.canvas = new OffscreenCanvas(this.n_columns, n_bands);
    this.context = this.canvas.getContext("2d");
    this.column = this.context.createImageData(1, n_bands);
  }

  /** Add columns whose last ends at `time`; their bytes. */
  add(time, encoded) {
    const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
    const n_new = Math.floor(bytes.length / this.n_bands);
    const byTime = Math.round(seconds(time) / this.column_s);
    const next = this.last === null ? byTime : this.last + n_new;
    const last = Math.abs(byTime - next) * this.column_s <= JITTER_S ? next : byTime;
    for (let i = 0; i < n_new; i += 1) {
      const number = last - n_new + 1 + i;
      const place = number % this.n_columns;
      this.bytes.set(bytes.subarray(i * this.n_bands, (i + 1) * this.n_bands), place * this.n_bands);
      this.numbers[place] = number;
      this.paintColumn(place);
    }
    this.last = last;
    return bytes;
  }

  /** Paint all anew, with other colours. */
  repaint() {
    for (let place = 0; place < this.n_columns; place += 1) if (this.numbers[place] >= 0) this.paintColumn(place);
  }

  paintColumn(place) {
    for (let band = 0; band < this.n_bands; band += 1) {
      this.column.data.set(this.paintByte(this.bytes[place * this.n_bands + band]), 4 * (this.n_bands - 1 - band));
    }
    this.context.putImageData(this.column, place, 0);
  }

  /** Draw what lies between two times into the box of a chart's panel. */
  draw(context, box, begin_s, end_s) {
    if (this.last === null) return;
    context.imageSmoothingEnabled = false;
    let number = Math.max(Math.floor(begin_s / this.column_s), this.last - this.n_columns + 1);
    while (number <= this.last && number * this.column_s <= end_s) { // stretches without a gap, none over the ring's end
      const place = number % this.n_columns;
      let n = 0;
      while (place + n < this.n_columns && number + n <= this.last && this.numbers[place + n] === number + n) n += 1;
      const left = box.x((number - 1) * this.column_s), right = box.x((number + n - 1) * this.column_s);
      if (n) context.drawImage(this.canvas, place, 0, n, this.n_bands, left, box.top, right - left, box.height);
      number += Math.max(1, n);
    }
  }
}
