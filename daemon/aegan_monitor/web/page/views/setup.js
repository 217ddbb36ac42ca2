// Help for setting up: the level of each microphone with a verdict, its recording, the commissioning report, and what is proved so far.

import { clock, duration, frequency, level, plain } from "../data/format.js";
import { readCommissioning, readRecording } from "../data/api.js";
import { LOUDEST_DBFS, Meter, QUIETEST_DBFS } from "../charts/meter.js";
import { isDeaf, isProved } from "../data/plant.js";
import { make, setText } from "../dom.js";
import { texts } from "../texts.js";

const { setup: words } = texts;
const AGAIN_MS = 5000; // a clip has 10 s
const LATEST = 10; // decisions, whose median level counts

/** The verdict on the level of the last decisions: [name, dBFS]. */
export function judgeLevel(scores) {
  const latest = scores.slice(-LATEST);
  if (!latest.length) return ["none", null];
  const levels = latest.map((each) => each.level_dbfs).sort((a, b) => a - b);
  const dbfs = levels[Math.floor(levels.length / 2)];
  if (latest.some((each) => each.clipped)) return ["clipped", dbfs];
  if (dbfs < QUIETEST_DBFS) return ["quiet", dbfs];
  return [dbfs > LOUDEST_DBFS ? "loud" : "good", dbfs];
}

function describeProof(health) {
  const { proofWords } = words;
  if (typeof health?.designed_per_week !== "number") return proofWords.none;
  const wanted = plain(health.designed_per_week);
  if (typeof health.proved_per_week !== "number") return proofWords.unproved(wanted);
  return (isProved({ health }) ? proofWords.proved : proofWords.partly)(wanted, plain(health.proved_per_week));
}

class Section {
  constructor(name) {
    this.name = name;
    this.meter = new Meter();
    this.verdict = make("p", { class: "verdict-line", role: "status" });
    this.sensor = make("dd");
    this.rate = make("dd");
    this.proof = make("p");
    this.bar = make("progress", { max: 1, value: 0, "aria-label": `${words.proof}: ${name}` });
    this.recording = make("p", { role: "status" });
    this.recordingVerdict = make("ul");
    this.report = make("div");
    this.root = make("section", { class: "panel setup" }, make("h2", {}, make("a", { href: `#/machine/${encodeURIComponent(name)}` }, name)),
      make("dl", { class: "facts" }, [[words.sensor, this.sensor], [words.rate, this.rate]].map(([title, value]) => make("div", {}, make("dt", {}, title), value))),
      make("h3", {}, words.level), this.meter.root, this.verdict, make("p", { class: "hint" }, words.range(level(QUIETEST_DBFS), level(LOUDEST_DBFS))),
      make("h3", {}, words.recording), this.recording, this.recordingVerdict,
      make("h3", {}, words.proof), this.bar, this.proof,
      make("h3", {}, words.commissioning), this.report);
  }

  async read() {
    await Promise.all([this.readReport(), this.readRecording()]);
  }

  async readRecording() {
    let line = texts.condition.unknown, verdict = [];
    try {
      const found = await readRecording(this.name);
      const length = (hours) => duration(3600 * hours);
      const hours = typeof found.hours_wanted === "number" ? words.ofHours(length(found.hours), length(found.hours_wanted)) : length(found.hours);
      line = found.state === "none" ? words.recordingStates.none : words.recordingStates[found.state](hours, clock(found.began_at), found.waiting);
      verdict = found.verdict;
    } catch (failure) {
      line = texts.failed(failure.message);
    }
    this.showRecording(line, verdict);
  }

  showRecording(line, verdict) {
    setText(this.recording, line);
    if (this.recordingVerdict.dataset.shown === verdict.join()) return;
    this.recordingVerdict.dataset.shown = verdict.join();
    this.recordingVerdict.replaceChildren(...verdict.map((each) => make("li", {}, each)));
  }

  async readReport() {
    try {
      const { lines } = await readCommissioning(this.name);
      this.report.replaceChildren(lines.length ? make("ul", {}, lines.map((each) => make("li", {}, each))) : make("p", { class: "hint" }, words.noCommissioning));
    } catch (failure) {
      this.report.replaceChildren(make("p", { class: "hint" }, texts.failed(failure.message)));
    }
  }

  update(plant, machine) {
    const scores = machine.scores.length ? machine.scores : machine.score ? [machine.score] : [];
    const [verdict, dbfs] = plant.isLive && !isDeaf(machine) ? judgeLevel(scores) : ["none", null];
    this.meter.show(dbfs, `${words.level}: ${this.name}`);
    this.verdict.dataset.verdict = verdict;
    setText(this.verdict, words.verdict[verdict]);
    const { health, sensor } = machine;
    const rate = !isDeaf(machine) && typeof health?.rate_deviation_ppm === "number" ? `, ${words.deviation(plain(health.rate_deviation_ppm))}` : "";
    setText(this.sensor, !plant.isLive || !sensor ? texts.condition.unknown : `${isDeaf(machine) ? sensor.detail || sensor.state : words.heard}${rate}`);
    setText(this.rate, machine.sample_rate_hz ? frequency(machine.sample_rate_hz) : texts.measure.nothing);
    setText(this.proof, plant.isLive ? describeProof(health) : texts.condition.unknown);
    const { designed_per_week: wanted, proved_per_week: proved } = health ?? {};
    this.bar.hidden = !plant.isLive || typeof wanted !== "number";
    this.bar.value = typeof proved === "number" && proved > 0 ? Math.min(1, wanted / proved) : 0;
  }
}

export function showSetup(content, plant) {
  const list = make("div", { class: "columns" });
  const sections = new Map();
  content.append(make("div", { class: "title" }, make("h1", {}, words.heading)), list);
  function update() {
    for (const [name, section] of sections) if (!plant.machines.has(name)) { section.root.remove(); sections.delete(name); }
    for (const machine of plant.machines.values()) {
      if (!sections.has(machine.name)) {
        sections.set(machine.name, new Section(machine.name));
        list.append(sections.get(machine.name).root);
        if (plant.isLive) sections.get(machine.name).read();
      }
      sections.get(machine.name).update(plant, machine);
    }
  }
  function readAll() { // a reload may have brought another bundle
    for (const section of sections.values()) plant.isLive ? section.read() : section.showRecording(texts.condition.unknown, []);
  }
  const timer = setInterval(() => { if (plant.isLive && !document.hidden) for (const section of sections.values()) section.readRecording(); }, AGAIN_MS);
  plant.addEventListener("machines", update);
  plant.addEventListener("connection", readAll);
  update();
  return () => {
    clearInterval(timer);
    plant.removeEventListener("machines", update);
    plant.removeEventListener("connection", readAll);
  };
}
