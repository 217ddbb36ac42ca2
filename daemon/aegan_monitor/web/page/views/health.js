// How the daemon fares: broker, disk, processor, losses; and the support bundle.

import { serverNow_s, signOut, supportBundleAddress } from "../data/api.js";
import { count, megabytes, percent, setTime } from "../data/format.js";
import { make, setText, sign } from "../dom.js";
import { texts } from "../texts.js";
import { capital } from "../words.js";

const { health: words } = texts;
const DISK = ["outbox_problem", "history_problem", "evidence_problem"];
const LOSSES = ["outbox_dropped_total", "outbox_late_total", "replaced_scores_total", "refused_total", "commands_refused_total"];

class Tile {
  constructor(title) {
    this.mark = make("span", { class: "mark" });
    this.words = make("p");
    this.more = make("p", { class: "hint" });
    this.root = make("section", { class: "panel tile" }, make("h2", {}, this.mark, title), this.words, this.more);
  }

  /** `condition`: quiet, wrong, or unknown without a connection. */
  show(line, condition, more = "") {
    if (this.root.dataset.condition !== condition) {
      this.root.dataset.condition = condition;
      this.mark.replaceChildren(sign(condition));
    }
    setText(this.words, capital(line));
    setText(this.more, more);
  }
}

function table(head, className = "") {
  const body = make("tbody");
  return { body, root: make("div", { class: `scroll ${className}` }, make("table", {}, head ? make("thead", {}, make("tr", {}, head.map((each) => make("th", { scope: "col" }, each)))) : null, body)) };
}

const row = (title, ...values) => make("tr", {}, make("th", { scope: "row" }, title), values.map((each) => make("td", { class: "number" }, each)));

export function showHealth(content, plant) {
  const whole = make("p", { class: "state", role: "status" });
  const tiles = Object.fromEntries(["broker", "disk", "provider", "daemon"].map((each) => [each, new Tile(words[each])]));
  const losses = table(null, "short");
  const { coverage, coverageHour, coverageDay } = texts.measure;
  const inputs = table([words.machine, texts.setup.sensor, ...[words.coverageAll, coverageHour, coverageDay].map((each) => `${coverage}, ${each}`), words.rows.dropped, words.rows.gaps, words.bundleOf]);
  const since = make("time");
  const out = make("button", { type: "button", hidden: true, click: async () => { await signOut().catch(() => {}); location.reload(); } }, texts.login.out);
  const support = make("div", {}, make("p", {}, words.bundleWords),
    make("p", { class: "buttons" }, make("a", { class: "button", href: supportBundleAddress(), download: "" }, words.bundle)));
  content.append(make("div", { class: "title" }, make("h1", {}, words.heading), whole),
    make("div", { class: "tiles" }, Object.values(tiles).map((each) => each.root)),
    make("section", { class: "panel" }, make("h2", {}, words.inputs), inputs.root),
    make("section", { class: "panel" }, make("h2", {}, words.losses), losses.root),
    make("section", { class: "panel" }, make("p", {}, `${words.uptime} `, since), support, make("p", { class: "buttons" }, out)));

  function update() {
    const { health } = plant;
    if (!health) return;
    const problems = DISK.filter((each) => health[each]).map((each) => `${words.problem[each]}: ${health[each]}`);
    const asked = health.providers_requested ?? [];
    const isAsFavoured = !asked.length || [health.provider, "auto"].includes(asked[0]);
    const isBrokerGood = !health.broker_problem && !health.outbox_parked;
    const waiting = [words.waiting(count(health.outbox_depth)), health.outbox_parked ? words.parked(count(health.outbox_parked)) : ""].filter(Boolean).join(", ");
    const judge = (isGood) => (!plant.isLive ? "unknown" : isGood ? "quiet" : "wrong"); // without a connection nothing is good
    tiles.broker.show(health.broker_problem || words.fine, judge(isBrokerGood), waiting);
    tiles.disk.show(problems.join("; ") || words.fine, judge(!problems.length));
    tiles.provider.show(health.overload_problem || words.inUse(`${health.provider}, ${health.precision}`),
      judge(isAsFavoured && !health.overload_problem), words.asked(asked.join(", ")));
    tiles.daemon.show(health.reload_problem ? `${words.problem.reload_problem}: ${health.reload_problem}` : `${words.version} ${health.version}`, judge(!health.reload_problem),
      `${words.memory}: ${megabytes(health.rss_bytes)}`);
    const isHeard = Object.values(health.machines ?? {}).every((each) => each.sensor === "ok");
    whole.dataset.condition = judge(isHeard && Object.values(tiles).every((each) => each.root.dataset.condition === "quiet"));
    setText(whole, { unknown: texts.connection.lost, quiet: words.good, wrong: words.trouble }[whole.dataset.condition]);
    setTime(since, Math.round(serverNow_s() - health.uptime_s));
    losses.body.replaceChildren(...LOSSES.map((each) => row(words.rows[each], count(health[each] ?? 0))));
    inputs.body.replaceChildren(...Object.entries(health.machines ?? {}).map(([name, of]) => row(name, of.sensor === "ok" ? texts.setup.heard : of.sensor.replaceAll("_", " "), percent(of.coverage_percent, 1), percent(of.coverage_1h_percent, 1),
      percent(of.coverage_24h_percent, 1), count(of.dropped_samples_total), count(of.gaps_total), `${of.bundle_digest.slice(0, 8)} ${of.bundle_created?.slice(0, 10) ?? ""}`)));
    out.hidden = !plant.needsToken;
    support.hidden = !plant.mayCommand;
  }
  plant.addEventListener("health", update);
  plant.addEventListener("connection", update);
  update();
  return () => { plant.removeEventListener("health", update); plant.removeEventListener("connection", update); };
}
