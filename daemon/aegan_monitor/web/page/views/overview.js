// All machines at one look, the worst first.

import { CONDITIONS } from "../data/plant.js";
import { level, percent, share, plain } from "../data/format.js";
import { joinScores, readEarlier } from "../data/earlier.js";
import { drawSparkline } from "../charts/sparkline.js";
import { Meter } from "../charts/meter.js";
import { make, setText, sign } from "../dom.js";
import { texts } from "../texts.js";
import { describe, describeBudget, listBadges } from "../words.js";

const { overview, measure } = texts;
const TURN_MS = 200;

class Card {
  constructor(name) {
    this.name = name;
    this.state = make("div", { class: "state" });
    this.words = make("p", { class: "words" });
    this.badges = make("ul", { class: "badges" });
    this.canvas = make("canvas", { class: "sparkline", role: "img" });
    this.meter = new Meter();
    this.facts = Object.fromEntries(["evidence", "score", "coverage", "budget"].map((each) => [each, make("dd")]));
    const list = make("dl", { class: "facts" }, Object.entries(this.facts).map(([each, value]) => make("div", {}, make("dt", {}, overview.facts[each]), value)));
    this.root = make("li", {}, make("article", { class: "card" },
      make("div", { class: "head" }, make("h2", {}, make("a", { href: `#/machine/${encodeURIComponent(name)}`, class: "cover" }, name)), this.state),
      this.badges, this.words, make("div", { class: "live" }, this.canvas, this.meter.root), list));
  }

  update(plant, machine) {
    const condition = plant.judge(machine);
    const health = plant.isLive ? machine.health : null;
    const score = plant.isLive && condition !== "deaf" ? machine.score : null;
    if (this.condition !== condition) {
      this.condition = condition;
      this.root.firstChild.dataset.condition = condition;
      this.state.replaceChildren(sign(condition), make("span", {}, texts.condition[condition]));
    }
    this.root.firstChild.classList.toggle("calm", Boolean(machine.alarm?.acknowledged) || !machine.alarm?.active);
    setText(this.words, describe(plant, machine));
    const badges = listBadges(plant, machine);
    if (badges.join() !== this.shownBadges) {
      this.shownBadges = badges.join();
      this.badges.replaceChildren(...badges.map((each) => make("li", {}, each)));
    }
    setText(this.facts.evidence, share(score?.evidence));
    setText(this.facts.score, score ? `${plain(score.score)} / ${plain(score.threshold)}` : measure.nothing);
    setText(this.facts.coverage, `${percent(health?.coverage_24h_percent, 1)}`);
    setText(this.facts.budget, describeBudget(health));
    this.meter.show(score?.level_dbfs ?? null, overview.meter(this.name, level(score?.level_dbfs)));
    this.canvas.setAttribute("aria-label", overview.sparkline(this.name, share(score?.evidence)));
    drawSparkline(this.canvas, plant.isLive ? joinScores(machine) : []);
  }
}

export function showOverview(content, plant) {
  const heading = make("h1", {}, overview.heading);
  const counts = make("ul", { class: "counts", "aria-label": overview.heading });
  const list = make("ul", { class: "cards" });
  const empty = make("p", { class: "hint" });
  const cards = new Map();
  content.append(make("div", { class: "title" }, heading, counts), empty, list);

  function update() {
    const machines = [...plant.machines.values()].sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
    function rank(machine) {
      return 2 * CONDITIONS.indexOf(plant.judge(machine)) + Number(Boolean(machine.alarm?.acknowledged));
    }
    setText(empty, machines.length || !plant.isLive ? "" : overview.empty);
    for (const [name, card] of cards) if (!plant.machines.has(name)) { card.root.remove(); cards.delete(name); }
    machines.forEach((machine, place) => {
      if (!cards.has(machine.name)) cards.set(machine.name, new Card(machine.name));
      const card = cards.get(machine.name);
      if (list.children[place] !== card.root) list.insertBefore(card.root, list.children[place] ?? null);
      card.update(plant, machine);
    });
    showCounts(machines);
  }

  function showCounts(machines) {
    const conditions = machines.map((each) => plant.judge(each));
    const found = CONDITIONS.map((each) => [each, conditions.filter((other) => other === each).length]).filter(([, n]) => n);
    const key = found.join();
    if (counts.dataset.key === key) return;
    counts.dataset.key = key;
    counts.replaceChildren(...found.map(([each, n]) => make("li", { "data-condition": each }, sign(each), texts.counts(n, texts.condition[each]))));
  }

  let isDue = false;
  function request() { // many messages, one drawing
    if (isDue) return;
    isDue = true;
    setTimeout(() => { isDue = false; update(); }, TURN_MS);
  }
  function readAll() {
    if (plant.isLive) for (const machine of plant.machines.values()) readEarlier(machine);
  }
  plant.addEventListener("connection", readAll);
  plant.addEventListener("machines", request);
  const timer = setInterval(request, 1000);
  update();
  readAll();
  return () => { plant.removeEventListener("connection", readAll); plant.removeEventListener("machines", request); clearInterval(timer); };
}
