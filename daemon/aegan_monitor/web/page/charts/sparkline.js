// Evidence of the last minutes, small: how near the alarm is.

import { serverNow_s } from "../data/api.js";
import { colour, prepare } from "./colours.js";

const SHOWN_S = 300;

/** Draw the evidence of live scores; for a policy of thresholds the score's share of its threshold. */
export function drawSparkline(canvas, scores) {
  const ready = prepare(canvas);
  if (!ready) return;
  const { context, width, height } = ready;
  const end_s = serverNow_s(), top = 6, bottom = height - 4;
  context.strokeStyle = colour("--grid", canvas);
  context.setLineDash([4, 4]);
  context.strokeRect(-5, top, width + 10, height + 10);
  context.setLineDash([]);
  const points = scores.filter((each) => each.at_s > end_s - SHOWN_S).map((each) => [
    width * (1 - (end_s - each.at_s) / SHOWN_S),
    bottom - (bottom - top) * Math.min(1, Math.max(0, each.evidence ?? (each.threshold ? each.score / each.threshold : 0))),
  ]);
  if (!points.length) return;
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x, y);
  context.strokeStyle = colour("--line", canvas);
  context.lineWidth = 2;
  context.lineJoin = "round";
  context.stroke();
  context.lineTo(points.at(-1)[0], height);
  context.lineTo(points[0][0], height);
  context.fillStyle = colour("--fill", canvas);
  context.fill();
}
