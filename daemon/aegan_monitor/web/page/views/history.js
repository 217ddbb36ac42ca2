// History of one machine, from a second to a year: score, evidence and level, with cases and events.

import { readCases, readEvents, readSeries, serverNow_s } from "../data/api.js";
import { clock, duration, plain, seconds, timeElement } from "../data/format.js";
import { drawChart, evidencePanels } from "../charts/chart.js";
import { Zoom } from "../charts/zoom.js";
import { choice, field, make, setText } from "../dom.js";
import { texts } from "../texts.js";
import { capital } from "../words.js";

const { history: words, measure } = texts;
const WAIT_MS = 150; // after the last movement, before it is read
const AGAIN_MS = 10000; // while the present is shown
const FIRST_S = 3600;
const MOST_EVENTS = 100;

/** What happened, and to what: an alarm, a microphone, the daemon. */
const describeKind = ({ source, kind }) => [words.sources[source], words.kinds[kind] ?? kind.replaceAll("_", " ")].filter(Boolean).join(": ");

export function showHistory(content, plant, { name }) {
  let machine = name || [...plant.machines.keys()].sort()[0] || "", series = null, rows = [], isClosed = false, timer = null, number = 0;
  const names = make("span");
  const canvas = make("canvas", { class: "chart", role: "img", tabindex: 0 });
  const step = make("span", { class: "hint" });
  const answer = make("p", { class: "hint", role: "status" });
  const events = make("tbody");
  const span = make("p", { class: "span" });
  const zoom = new Zoom(canvas, FIRST_S, (isRead) => { draw(); if (isRead) schedule(); });
  const ranges = Object.entries(words.range).map(([length_s, label]) => make("button", { type: "button", "data-length": length_s, click: () => zoom.setLength(Number(length_s)) }, label));
  const moves = [["earlier", "←", () => zoom.move(-0.5)], ["later", "→", () => zoom.move(0.5)], ["zoomIn", "+", () => zoom.scale(0.5)], ["zoomOut", "−", () => zoom.scale(2)]]
    .map(([key, label, click]) => make("button", { type: "button", "aria-label": words[key], title: words[key], click }, label));
  content.append(make("div", { class: "title" }, make("h1", {}, words.heading), names),
    make("section", { class: "panel" },
      make("div", { class: "head" }, make("div", { class: "ranges", role: "group", "aria-label": words.ranges }, ranges),
        make("div", { class: "ranges" }, moves, make("button", { type: "button", click: () => zoom.follow() }, words.now))),
      span, canvas, make("p", { class: "hint" }, `${words.hint} `, step), answer),
    make("section", { class: "panel" }, make("h2", {}, words.events),
      make("div", { class: "scroll" }, make("table", { class: "stacked" }, make("thead", {}, make("tr", {}, words.columns.map((each) => make("th", { scope: "col" }, each)))), events))));

  function showNames() {
    const all = [...plant.machines.keys()].sort();
    if (!machine) machine = all[0] ?? "";
    if (names.dataset.names === all.join()) return;
    names.dataset.names = all.join();
    names.replaceChildren(field(words.machine, choice(all.map((each) => [each, each]), machine, (value) => { machine = value; series = null; read(); })));
  }

  function schedule() {
    clearTimeout(timer);
    timer = setTimeout(read, WAIT_MS);
  }

  async function read() {
    clearTimeout(timer);
    showNames();
    if (machine && plant.isLive) {
      number += 1;
      const own = number, { begin_s, end_s } = zoom, margin_s = (end_s - begin_s) / 4;
      const points = Math.max(200, Math.round(canvas.clientWidth * 1.5));
      const [found, cases, happened] = await Promise.allSettled([readSeries(machine, begin_s - margin_s, Math.min(end_s + margin_s, serverNow_s()), points),
        readCases({ machine, begin_s, end_s }), readEvents(machine, begin_s, end_s, MOST_EVENTS + 1)]);
      if (isClosed || own !== number) return;
      if (found.status === "fulfilled") series = found.value;
      rows = cases.status === "fulfilled" ? cases.value : [];
      const isThere = series?.times_s.some((at_s, i) => at_s >= begin_s && at_s <= end_s && series.score_mean[i] !== null);
      const failed = [found, cases].find((each) => each.status === "rejected");
      setText(answer, failed ? texts.failed(failed.reason.message) : isThere ? "" : words.empty);
      setText(step, series ? `${words.step(duration(series.step_s))} ${words.written}` : "");
      showEvents(happened);
      draw();
    }
    if (zoom.isFollowing) timer = setTimeout(() => { zoom.follow(); }, AGAIN_MS);
  }

  function showEvents({ status, value = [], reason }) {
    const newest = [...value].sort((a, b) => seconds(b.time) - seconds(a.time) || b.number - a.number).slice(0, MOST_EVENTS);
    events.replaceChildren(...newest.map((each) => make("tr", {}, make("td", {}, timeElement(each.time)), make("td", {}, each.machine ?? measure.nothing),
      make("td", {}, describeKind(each)), make("td", {}, capital(each.text), each.by ? ` (${each.by})` : ""))));
    const note = status === "rejected" ? words.eventsFailed(reason.message) : !newest.length ? words.noEvents : value.length > MOST_EVENTS ? words.newest(MOST_EVENTS) : "";
    if (note) events.append(make("tr", {}, make("td", { colspan: words.columns.length, class: "hint" }, note)));
  }

  function draw() {
    const { begin_s, end_s } = zoom;
    setText(span, `${clock(begin_s)} – ${clock(end_s)}`);
    const threshold = plant.machines.get(machine)?.score?.threshold; // of the present: none of the past is stored
    const now = typeof threshold === "number" ? words.thresholdNow(plain(threshold)) : "";
    canvas.setAttribute("aria-label", [words.chart(clock(begin_s), clock(end_s)), now].filter(Boolean).join(", "));
    for (const button of ranges) button.setAttribute("aria-pressed", Math.abs(Number(button.dataset.length) / (end_s - begin_s) - 1) < 0.01);
    const { times_s = [], score_mean = [], score_max = [], evidence_max = [], level_mean = [], step_s = 1 } = series ?? {};
    const gap_s = 3 * step_s + 3;
    const bands = rows.map((each) => ({ begin_s: seconds(each.began_at), end_s: each.ended_at ? seconds(each.ended_at) : serverNow_s(), colour: "--band" }));
    drawChart(canvas, { begin_s, end_s, bands, panels: [
      { title: [`${measure.score} (${words.mean}, ${words.largest})`, now].filter(Boolean).join(", "), share: 2,
        lines: [...(now ? [{ times_s: [begin_s, end_s], values: [threshold, threshold], colour: "--limit", isDashed: true }] : []), { times_s, values: score_max, colour: "--faint", gap_s, width: 1.5 }, { times_s, values: score_mean, colour: "--line", gap_s }] },
      ...evidencePanels(`${measure.evidence} (${words.largest}), ${measure.alarmAt}`, { times_s, values: evidence_max, gap_s }, { begin_s, end_s }),
      { title: `${measure.level} (${texts.unit.dbfs}, ${words.mean})`, share: 1.5, lines: [{ times_s, values: level_mean, colour: "--second", gap_s }] },
    ] });
  }

  const resizes = new ResizeObserver(draw);
  resizes.observe(canvas);
  plant.addEventListener("connection", read);
  read();
  return () => {
    isClosed = true;
    clearTimeout(timer);
    resizes.disconnect();
    plant.removeEventListener("connection", read);
  };
}
