// Panels below each other on one time axis. A panel draws lines, or an image by a function of its own.

import { percent, plain } from "../data/format.js";
import { listTicks, listValues } from "./axis.js";
import { colour, prepare } from "./colours.js";

const LETTER = 0.75; // of the page's own size
const LEFT = 4.8, RIGHT = 0.8, AXIS = 1.8, GAP = 0.8, TITLE = 1.45; // in sizes of a letter

/**
 * Draw `panels` between two times. Each has title, share (of the height), and lines [{times_s, values, colour, width, isDashed, isFilled}],
 * low and high where they are fixed, marks (values with a dashed line), or paint(context, box) and labels [[y from 0 to 1 from below, words]].
 * `bands` are spans of time [{begin_s, end_s, colour}] behind all panels.
 */
export function drawChart(canvas, { begin_s, end_s, panels, bands = [] }) {
  const ready = prepare(canvas);
  if (!ready) return;
  const { context, width, height } = ready;
  const letter = LETTER * parseFloat(getComputedStyle(document.documentElement).fontSize);
  context.font = `${letter}px system-ui, sans-serif`;
  const left = LEFT * letter, inner = width - left - RIGHT * letter;
  const x = (at_s) => left + (inner * (at_s - begin_s)) / (end_s - begin_s);
  const ticks = listTicks(begin_s, end_s, inner);
  const whole = panels.reduce((sum, each) => sum + each.share, 0);
  const usable = height - letter * (AXIS + panels.length * (GAP + TITLE));
  let top = 0;
  for (const panel of panels) {
    top += TITLE * letter;
    const box = { left, top, width: inner, height: (usable * panel.share) / whole, x };
    drawPanel(context, panel, box, ticks, bands, { begin_s, end_s });
    top += box.height + GAP * letter;
  }
  context.fillStyle = colour("--muted");
  context.textAlign = "center";
  context.textBaseline = "bottom";
  for (const { at_s, words } of ticks) {
    const half = context.measureText(words).width / 2;
    context.fillText(words, Math.min(width - half, Math.max(half, x(at_s))), height - 2);
  }
}

/** The panel with evidence, given from 0 to 1, in percent; none where there is no evidence: thresholds decide there. */
export function evidencePanels(title, line, { begin_s, end_s }) {
  const values = line.values.map((each) => (typeof each === "number" ? 100 * each : null));
  if (values.every((each) => each === null)) return [];
  const limit = { times_s: [begin_s, end_s], values: [100, 100], colour: "--limit", isDashed: true };
  return [{ title, share: 1.8, low: 0, high: 105, format: (value) => (value > 100 ? "" : percent(value)), lines: [{ ...line, values, colour: "--line", isFilled: true }, limit] }];
}

function drawPanel(context, panel, box, ticks, bands, span) {
  context.fillStyle = colour("--muted");
  context.textAlign = "left";
  context.textBaseline = "bottom";
  context.fillText(panel.title, box.left, box.top - 3, box.width);
  context.fillStyle = colour("--plot");
  context.fillRect(box.left, box.top, box.width, box.height);
  context.save();
  context.beginPath();
  context.rect(box.left, box.top, box.width, box.height);
  context.clip();
  for (const band of bands) {
    context.fillStyle = colour(band.colour);
    context.fillRect(box.x(band.begin_s), box.top, Math.max(2, box.x(band.end_s) - box.x(band.begin_s)), box.height);
  }
  context.strokeStyle = colour("--grid");
  context.lineWidth = 1;
  for (const { at_s } of ticks) strokeLine(context, [[box.x(at_s), box.top], [box.x(at_s), box.top + box.height]]);
  if (panel.paint) panel.paint(context, box);
  const scale = panel.lines ? findScale(panel, span) : null;
  const y = (value) => box.top + box.height * (1 - (value - scale.low) / (scale.high - scale.low));
  const values = scale ? listValues(scale.low, scale.high, Math.max(2, Math.floor(box.height / 34))) : [];
  for (const value of values) strokeLine(context, [[box.left, y(value)], [box.left + box.width, y(value)]]);
  for (const line of panel.lines ?? []) drawLine(context, line, box, y, span);
  context.restore();
  drawLabels(context, panel, box, values, y);
}

function drawLabels(context, panel, box, values, y) {
  context.fillStyle = colour("--muted");
  context.textAlign = "right";
  context.textBaseline = "middle";
  const inside = (at) => Math.min(box.top + box.height - 5, Math.max(box.top + 6, at));
  const format = panel.format ?? plain;
  for (const value of values) context.fillText(format(value), box.left - 6, inside(y(value)));
  for (const [share, words] of panel.labels ?? []) context.fillText(words, box.left - 6, inside(box.top + box.height * (1 - share)));
}

function findScale(panel, { begin_s, end_s }) {
  let low = panel.low ?? Infinity, high = panel.high ?? -Infinity;
  for (const line of panel.lines) {
    line.values.forEach((value, i) => {
      if (value === null || line.times_s[i] < begin_s || line.times_s[i] > end_s) return;
      if (panel.low === undefined) low = Math.min(low, value);
      if (panel.high === undefined) high = Math.max(high, value);
    });
  }
  if (!Number.isFinite(low)) low = Number.isFinite(high) ? high - 1 : 0;
  if (!Number.isFinite(high) || high <= low) high = low + 1;
  const margin = 0.08 * (high - low);
  return { low: panel.low ?? low - margin, high: panel.high ?? high + margin };
}

function strokeLine(context, points) {
  context.beginPath();
  for (const [px, py] of points) context.lineTo(px, py);
  context.stroke();
}

/** Draw a line; it is broken where a value is null, and where nothing came for `gap_s`. */
function drawLine(context, line, box, y, { begin_s, end_s }) {
  const { times_s, values, gap_s = Infinity } = line;
  context.strokeStyle = context.fillStyle = colour(line.colour);
  context.lineWidth = line.width ?? 2;
  context.lineJoin = "round";
  context.setLineDash(line.isDashed ? [5, 4] : []);
  let run = [];
  const finish = () => {
    if (run.length === 1) context.fillRect(run[0][0] - 1, run[0][1] - 1, 2, 2);
    if (run.length > 1) strokeLine(context, run);
    if (run.length > 1 && line.isFilled) {
      context.globalAlpha = 0.15;
      context.beginPath();
      for (const [px, py] of [...run, [run.at(-1)[0], box.top + box.height], [run[0][0], box.top + box.height]]) context.lineTo(px, py);
      context.fill();
      context.globalAlpha = 1;
    }
    run = [];
  };
  for (let i = 0; i < values.length; i += 1) {
    if (i > 0 && times_s[i] - times_s[i - 1] > gap_s) finish();
    const isNear = (times_s[i + 1] ?? times_s[i]) >= begin_s && (times_s[i - 1] ?? times_s[i]) <= end_s;
    if (values[i] === null || values[i] === undefined) finish();
    else if (isNear) run.push([box.x(times_s[i]), y(values[i])]);
  }
  finish();
  context.setLineDash([]);
}
