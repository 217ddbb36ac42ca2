// Moves and zooms a span of time: by wheel, drag, pinch and keyboard.

import { serverNow_s } from "../data/api.js";

const SHORTEST_S = 1, LONGEST_S = 370 * 86400;
const KEYS = { ArrowLeft: (zoom) => zoom.move(-0.25), ArrowRight: (zoom) => zoom.move(0.25), "+": (zoom) => zoom.scale(0.5), "=": (zoom) => zoom.scale(0.5),
  "-": (zoom) => zoom.scale(2), Home: (zoom) => zoom.follow() };

export class Zoom {
  /** `onChange(isRead)`: the span has changed; whether what it holds should be read. */
  constructor(canvas, length_s, onChange) {
    this.canvas = canvas;
    this.onChange = onChange;
    this.end_s = serverNow_s();
    this.begin_s = this.end_s - length_s;
    this.isFollowing = true;
    this.pointers = new Map();
    canvas.addEventListener("wheel", (event) => { event.preventDefault(); this.scale(Math.exp(event.deltaY / 400), this.shareOf(event)); }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => { this.pointers.set(event.pointerId, event.clientX); canvas.setPointerCapture(event.pointerId); });
    canvas.addEventListener("pointermove", (event) => this.drag(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => this.pointers.delete(event.pointerId));
    canvas.addEventListener("keydown", (event) => { if (KEYS[event.key]) { event.preventDefault(); KEYS[event.key](this); } });
  }

  get length_s() { return this.end_s - this.begin_s; }

  shareOf(event) {
    const { left, width } = this.canvas.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - left) / width));
  }

  drag(event) {
    const before = this.pointers.get(event.pointerId);
    if (before === undefined) return;
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, x]) => x);
    this.pointers.set(event.pointerId, event.clientX);
    if (others.length) this.scale(Math.abs(before - others[0]) / Math.max(1, Math.abs(event.clientX - others[0])), this.shareOf(event));
    else this.move((before - event.clientX) / this.canvas.clientWidth);
  }

  /** Move by a share of the span. */
  move(share) {
    const by_s = share * this.length_s;
    this.set(this.begin_s + by_s, this.end_s + by_s);
  }

  /** Make the span longer or shorter by a factor; the place at `share` of it stays where it is. */
  scale(factor, share = this.isFollowing ? 1 : 0.5) {
    const length_s = Math.min(LONGEST_S, Math.max(SHORTEST_S, factor * this.length_s));
    const at_s = this.begin_s + share * this.length_s;
    this.set(at_s - share * length_s, at_s + (1 - share) * length_s);
  }

  setLength(length_s) {
    const end_s = this.isFollowing ? serverNow_s() : (this.begin_s + this.end_s + length_s) / 2;
    this.set(end_s - length_s, end_s);
  }

  /** Go to the present, and stay there. */
  follow() {
    const length_s = this.length_s, end_s = serverNow_s();
    this.set(end_s - length_s, end_s);
  }

  set(begin_s, end_s) {
    const over_s = Math.max(0, end_s - serverNow_s());
    this.begin_s = begin_s - over_s;
    this.end_s = end_s - over_s;
    this.isFollowing = serverNow_s() - this.end_s < 0.01 * this.length_s + 0.5;
    this.onChange(true);
  }
}
