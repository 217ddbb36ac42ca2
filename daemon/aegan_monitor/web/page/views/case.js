// One case: its sound beside normal sound, its picture, what changed in words, the minutes around it, and what a person says.

import { caseFile, command, markCase, readCase, readSeries, serverNow_s } from "../data/api.js";
import { clock, decibels, duration, frequency, percent, plain, seconds, timeElement } from "../data/format.js";
import { drawChart, evidencePanels } from "../charts/chart.js";
import { announce, field, make, setText } from "../dom.js";
import { Comparison, hasSound } from "../sound/comparison.js";
import { texts } from "../texts.js";
import { capital } from "../words.js";
import { nameField, readName } from "./person.js";
import { statusOf, spanOf } from "./case_row.js";

const { case: words, cases, measure } = texts;
const AROUND_S = 180;
const N_POINTS = 600;
const AGAIN_MS = 3000;
const WHOLE_S = 90; // after an alarm its sound is complete
const MOST_REASON = 200; // letters of a command

export class CaseView {
  /** `row` is the case as a list has it; `onMark` gets it whenever it has changed. */
  constructor(plant, row, onMark) {
    this.plant = plant;
    this.row = row;
    this.onMark = onMark;
    this.root = make("article", { class: "case" });
    this.read();
  }

  async read() {
    try {
      const found = await readCase(this.row.machine, this.row.id);
      if (this.isClosed) return;
      if (this.found && this.found.n_recurrences !== found.n_recurrences) this.recurred_s = serverNow_s();
      const isWhole = serverNow_s() - Math.max(seconds(found.began_at), this.recurred_s ?? 0) > WHOLE_S; // files of the same name were written again
      const state = [found.ended_at, isWhole, ...found.files].join();
      this.found = found;
      if (state !== this.shown && !this.isInUse()) {
        this.shown = state;
        this.show();
      } else if (this.canvas) {
        this.readAround();
      }
    } catch (failure) {
      if (!this.found) this.root.replaceChildren(make("p", { class: "hint" }, failure.status === 404 ? words.missing : texts.failed(failure.message)));
    }
    const isGrowing = !this.found?.ended_at || serverNow_s() - seconds(this.found.ended_at) < AROUND_S;
    if (isGrowing && !this.isClosed) this.timer = setTimeout(() => this.read(), AGAIN_MS);
  }

  close() {
    this.isClosed = true;
    clearTimeout(this.timer);
    this.comparison?.close();
    this.resizes?.disconnect();
  }

  /** Whether a person hears its sound or writes a comment: it is not shown anew in the middle of that. */
  isInUse() { return this.comparison?.isPlaying || (this.comment && document.activeElement === this.comment); }

  togglePlay() { this.comparison?.toggle(); }
  switchOver() { this.comparison?.switchOver(); }
  focusComment() { this.comment?.focus(); }

  show() {
    const { found } = this;
    const comment = this.comment?.value ?? found.comment; // what is being written stays
    this.comparison?.close();
    this.comparison = null;
    this.resizes?.disconnect();
    const facts = [[words.began, timeElement(found.began_at)], [words.ended, found.ended_at ? timeElement(found.ended_at) : cases.open],
      [words.severity, capital(found.severity)]];
    if (found.explanation?.since) facts.unshift([words.changed, timeElement(found.explanation.since)]);
    if (typeof found.evidence === "number") facts.push([measure.evidence, percent(100 * found.evidence)]);
    if (found.ended_at) facts.push([words.lasted, duration(seconds(found.ended_at) - seconds(found.began_at))]);
    if (found.n_recurrences) facts.push([words.recurrences, words.times(found.n_recurrences)]);
    this.status = make("span", { class: "status" });
    this.root.replaceChildren(
      make("p", { class: "narrow" }, make("a", { href: "#/cases" }, `← ${words.back}`)),
      make("div", { class: "title" }, make("h2", {}, words.title(found.machine, clock(found.began_at))), this.status),
      make("p", { class: "words" }, capital(found.cause || "")), this.makeSound(), this.makePicture(), ...this.makeChanges(),
      make("dl", { class: "facts" }, facts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)))),
      this.makeVerdict(), this.makeAround());
    this.comment.value = comment;
    this.showStatus();
    this.readAround();
  }

  makeSound() {
    if (!hasSound(this.found)) return make("p", { class: "hint" }, words.noSound);
    this.comparison = new Comparison(this.found);
    return this.comparison.root;
  }

  makePicture() {
    if (!this.found.files.includes("picture.png")) return make("p", { class: "hint" }, words.noPicture);
    const picture = make("img", { class: "picture", src: caseFile(this.found, "picture.png"), alt: words.picture(this.found.cause ?? "") });
    picture.addEventListener("error", () => picture.replaceWith(make("p", { class: "hint" }, words.noPicture)));
    return picture;
  }

  makeChanges() {
    const { explanation } = this.found;
    if (!explanation?.changes?.length) return [];
    const lines = explanation.changes.map((each) => {
      const line = words.change(frequency(each.from_hz), frequency(each.to_hz), decibels(Math.abs(each.difference_db)),
        each.difference_db < 0 ? words.quieter : words.louder, plain(Math.round(each.deviations)));
      return make("li", {}, each.is_unheard ? `${line}; ${words.unheard}` : line);
    });
    const kind = words.kind[explanation.kind];
    return [make("h3", {}, words.words), make("ul", { class: "changes" }, lines, kind ? make("li", {}, capital(kind)) : null)];
  }

  makeVerdict() {
    this.comment = make("textarea", { rows: 2, maxlength: 1000, name: "comment" });
    this.answer = make("p", { class: "answer", role: "status" });
    this.verdicts = Object.entries(words.verdicts).map(([verdict, label]) =>
      make("button", { type: "button", "data-verdict": verdict, click: () => this.mark(verdict) }, label));
    return make("section", { class: "panel verdict", "aria-label": words.verdict }, make("h3", {}, words.verdict),
      make("div", { class: "buttons" }, make("button", { type: "button", "data-verdict": "acknowledged", click: () => this.acknowledge() }, words.acknowledge), this.verdicts),
      make("div", { class: "fields" }, this.plant.person ? null : nameField(), field(words.comment, this.comment)),
      this.plant.mayCommand ? null : make("p", { class: "hint" }, texts.alarm.reader),
      make("div", { class: "buttons" }, make("button", { type: "button", class: "save", click: () => this.mark(null) }, words.save)), this.answer);
  }

  makeAround() {
    this.canvas = make("canvas", { class: "around", role: "img", "aria-label": words.around });
    this.resizes = new ResizeObserver(() => this.draw());
    this.resizes.observe(this.canvas);
    return make("section", {}, make("h3", {}, words.around), this.canvas);
  }

  showStatus() {
    const status = statusOf(this.found);
    this.root.dataset.status = status;
    const words = cases.status[status] ?? status;
    setText(this.status, this.found.marked_by && status !== "unseen" ? cases.by(words, this.found.marked_by) : words);
    for (const button of this.root.querySelectorAll("[data-verdict]")) button.setAttribute("aria-pressed", button.dataset.verdict === status);
    for (const button of this.root.querySelectorAll(".verdict button")) button.disabled = !this.plant.mayCommand;
  }

  acknowledge() { return this.mark(null); }

  /** Mark the case as seen, with a verdict where one is given. The active alarm of the case is acknowledged too. */
  async mark(verdict) {
    if (!this.found || !this.plant.mayCommand) return;
    const mark = { seen: true, comment: this.comment.value, by: readName() };
    if (verdict) mark.verdict = verdict;
    try {
      const alarm = this.plant.machines.get(this.found.machine)?.alarm;
      if (alarm?.active && alarm.case?.id === this.found.id && (verdict || !alarm.acknowledged)) {
        await command(this.found.machine, { command: "acknowledge", event_id: alarm.alarm_id, by: mark.by, reason: mark.comment.slice(0, MOST_REASON), ...(verdict ? { verdict } : {}) });
      }
      this.found = await markCase(this.found.machine, this.found.id, mark);
      this.say(words.saved, false);
      this.showStatus();
      this.onMark(this.found);
    } catch (failure) {
      this.say(texts.failed(failure.message), true);
    }
  }

  say(line, isBad) {
    this.answer.className = `answer ${isBad ? "bad" : "good"}`;
    setText(this.answer, line);
    announce(line);
  }

  async readAround() {
    const end_s = (this.found.ended_at ? seconds(this.found.ended_at) : serverNow_s()) + AROUND_S;
    this.span = { begin_s: seconds(this.found.began_at) - AROUND_S, end_s: Math.min(end_s, serverNow_s()) };
    try {
      this.series = this.addLive(await readSeries(this.found.machine, this.span.begin_s, this.span.end_s, N_POINTS));
    } catch {
      this.series = null; // history is off: the chart says so by being empty
    }
    this.draw();
  }

  /** History is written once a minute: what is newer was seen live. */
  addLive({ times_s, score_max, evidence_max, step_s }) {
    const last_s = times_s.at(-1) ?? this.span.begin_s;
    const newer = (this.plant.machines.get(this.found.machine)?.scores ?? []).filter(({ at_s }) => at_s > last_s + step_s && at_s <= this.span.end_s);
    return {
      step_s,
      times_s: [...times_s, ...newer.map((each) => each.at_s)],
      score_max: [...score_max, ...newer.map((each) => each.score)],
      evidence_max: [...evidence_max, ...newer.map((each) => each.evidence ?? null)],
    };
  }

  draw() {
    if (!this.series || this.isClosed) return;
    const { times_s, score_max, evidence_max, step_s } = this.series;
    const gap_s = 3 * step_s + 3;
    const bands = [{ begin_s: seconds(this.found.began_at), end_s: this.found.ended_at ? seconds(this.found.ended_at) : this.span.end_s, colour: "--band" }];
    drawChart(this.canvas, { ...this.span, bands, panels: [
      { title: measure.score, share: 1, lines: [{ times_s, values: score_max, colour: "--line", gap_s }] },
      ...evidencePanels(measure.evidence, { times_s, values: evidence_max, gap_s }, this.span),
    ] });
  }
}
