// One machine: its condition, alarm, live spectrogram, score and evidence on one time axis, sound and cases.

import { readCases, serverNow_s } from "../data/api.js";
import { duration, level, percent, plain, seconds, share } from "../data/format.js";
import { drawChart, evidencePanels } from "../charts/chart.js";
import { joinScores, readEarlier } from "../data/earlier.js";
import { KEPT_S } from "../data/plant.js";
import { Meter } from "../charts/meter.js";
import { Spectrogram } from "../charts/spectrogram.js";
import { choice, field, make, setText, sign } from "../dom.js";
import { Listener } from "../sound/listen.js";
import { texts } from "../texts.js";
import { describeBudget } from "../words.js";
import { AlarmBar } from "./alarm_bar.js";
import { caseRow } from "./case_row.js";
import { DemoFault } from "./demo_fault.js";

const { machine: words, measure } = texts;
const GAP_S = 5; // without a decision: the line is broken
const N_CASES = 5;
const AGAIN_MS = 3000; // an event is in the history soon after it is published
const FRAME_MS = 100;

export function showMachine(content, plant, { name }) {
  const heading = make("h1", {}, name);
  const state = make("div", { class: "state" });
  const bar = new AlarmBar(plant, name);
  const demo = new DemoFault(plant, name);
  const meter = new Meter();
  const canvas = make("canvas", { class: "chart", role: "img" });
  const scale = make("div", { class: "colour-scale", "aria-hidden": "true" }, make("span"), make("i"), make("span"));
  const facts = Object.fromEntries(["score", "evidence", "operating", "coverage", "budget"].map((each) => [each, make("dd")]));
  const list = make("dl", { class: "facts" }, Object.entries(facts).map(([each, value]) => make("div", {}, make("dt", {}, measure[each]), value)));
  const cases = make("ul", { class: "case-list" });
  const missing = make("p", { class: "hint" });
  const spectrogram = new Spectrogram(name, KEPT_S);
  let window_s = 60, isClosed = false;

  const heard = make("span", { class: "hint", role: "status" });
  const button = make("button", { type: "button", class: "listen", "aria-pressed": "false", click: () => (listener.isOn ? listener.stop() : listener.start()) }, words.listen);
  const listener = new Listener(name, (kind, detail) => {
    const isOn = listener.isOn;
    button.setAttribute("aria-pressed", isOn);
    setText(button, isOn ? words.stopListening : words.listen);
    if (kind === "playing") setText(heard, words.listening(duration(Math.ceil(10 * detail) / 10)));
    else if (kind === "failed") setText(heard, words.listenFailed(detail));
    else if (!heard.textContent.startsWith(words.listenFailed(""))) setText(heard, "");
  });
  const windows = choice(Object.entries(words.windows), String(window_s), (value) => { window_s = Number(value); });

  content.append(
    make("div", { class: "title" }, heading, state),
    missing,
    make("div", { class: "machine" },
      make("div", { class: "main-column" }, bar.root,
        make("section", { class: "panel", "aria-label": words.live },
          make("div", { class: "head" }, button, heard, meter.root, field(words.window, windows)), canvas, scale)),
      make("div", { class: "side-column" }, demo.root,
        make("section", { class: "panel" }, list),
        make("section", { class: "panel" }, make("h2", {}, words.cases), cases,
          make("p", {}, make("a", { href: `#/history/${encodeURIComponent(name)}` }, words.history))))));

  function update() {
    const machine = plant.machines.get(name);
    content.querySelector(".machine").hidden = !machine;
    setText(missing, machine || !plant.isLive ? "" : words.missing(name));
    if (!machine) return;
    const condition = plant.judge(machine);
    if (state.dataset.condition !== condition) {
      state.dataset.condition = condition;
      state.replaceChildren(sign(condition), make("span", {}, texts.condition[condition]));
    }
    bar.update();
    demo.update();
    const score = plant.isLive && condition !== "deaf" ? machine.score : null;
    meter.show(score?.level_dbfs ?? null, `${measure.level} ${level(score?.level_dbfs)}`);
    setText(facts.score, score ? `${plain(score.score)} (${measure.threshold.toLowerCase()} ${plain(score.threshold)})` : measure.nothing);
    setText(facts.evidence, typeof score?.evidence === "number" ? `${share(score.evidence)} (${measure.alarmAt})` : measure.nothing);
    setText(facts.operating, score?.operating_state?.replace("_", " ") ?? measure.nothing);
    const health = plant.isLive ? machine.health : null;
    setText(facts.coverage, `${percent(health?.coverage_1h_percent, 1)} ${measure.coverageHour}, ${percent(health?.coverage_24h_percent, 1)} ${measure.coverageDay}`);
    setText(facts.budget, describeBudget(health));
    button.disabled = !plant.isLive || machine.can_listen === false;
    if (machine.can_listen === false) setText(heard, words.privacy);
    canvas.setAttribute("aria-label", words.chart(plain(score?.score), plain(score?.threshold), share(score?.evidence)));
  }

  function draw() {
    const machine = plant.machines.get(name);
    if (!machine) return;
    const end_s = plant.isLive ? serverNow_s() : plant.lostAt_s, begin_s = end_s - window_s;
    const scores = joinScores(machine).filter((each) => each.at_s > begin_s - GAP_S);
    const times_s = scores.map((each) => each.at_s);
    const line = (key, colour, more = {}) => ({ times_s, values: scores.map((each) => each[key] ?? null), colour, gap_s: GAP_S, ...more });
    const difference = { title: words.difference, share: 3.5, labels: spectrogram.residual ? spectrogram.residualLabels() : [],
      paint: (context, box) => spectrogram.residual.draw(context, box, begin_s, end_s) };
    drawChart(canvas, { begin_s, end_s, panels: [
      { title: measure.spectrogram, share: 5, labels: spectrogram.labels(), paint: (context, box) => spectrogram.sound?.draw(context, box, begin_s, end_s) },
      ...(spectrogram.residual ? [difference] : []),
      { title: `${measure.score}, ${measure.threshold.toLowerCase()} (- -)`, share: 2.5, lines: [line("threshold", "--limit", { isDashed: true }), line("score", "--line")] },
      ...evidencePanels(`${measure.evidence}, ${measure.alarmAt}`, line("evidence"), { begin_s, end_s }),
      { title: `${measure.level} (${texts.unit.dbfs})`, share: 1.5, lines: [line("level_dbfs", "--second")] },
    ] });
    const bounds = spectrogram.bounds();
    scale.hidden = bounds === null;
    if (bounds) [setText(scale.firstChild, bounds[0]), setText(scale.lastChild, bounds[1])];
  }

  function readBefore() { // what was before the page was opened
    const machine = plant.machines.get(name);
    if (machine) readEarlier(machine);
    readNewest();
  }

  async function readNewest() {
    if (!plant.isLive) return;
    const rows = await readCases({ machine: name, limit: N_CASES }).catch(() => null);
    if (!isClosed && rows && JSON.stringify(rows) !== cases.dataset.shown) showCases(rows);
  }

  function showCases(rows) {
    cases.dataset.shown = JSON.stringify(rows);
    const newest = [...rows].sort((a, b) => seconds(b.began_at) - seconds(a.began_at)).slice(0, N_CASES);
    cases.replaceChildren(...(newest.length ? newest.map((each) => make("li", {}, caseRow(each))) : [make("li", { class: "hint" }, words.noCases)]));
  }

  const onConnection = () => { if (plant.isLive) readBefore(); else if (listener.isOn) listener.stop(); };
  const onEvent = ({ detail }) => { if (detail.machine.name === name) readNewest(); };
  plant.addEventListener("machines", update);
  plant.addEventListener("connection", onConnection);
  plant.addEventListener("event", onEvent);
  const timers = [setInterval(update, 1000), setInterval(draw, FRAME_MS), setInterval(readNewest, AGAIN_MS)];
  const onVisibility = () => (document.hidden ? spectrogram.close() : spectrogram.open()); // nothing is computed for a tab in the background
  document.addEventListener("visibilitychange", onVisibility);
  onVisibility();
  update();
  if (plant.isLive) readBefore();
  return () => {
    isClosed = true;
    timers.forEach(clearInterval);
    document.removeEventListener("visibilitychange", onVisibility);
    plant.removeEventListener("machines", update);
    plant.removeEventListener("connection", onConnection);
    plant.removeEventListener("event", onEvent);
    spectrogram.close();
    if (listener.isOn) listener.stop();
  };
}
