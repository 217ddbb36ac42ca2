// The recordings of a case and the nearest normal one, one button. A switch changes over in mid-sound.

import { caseFile, readCaseFile } from "../data/api.js";
import { seconds } from "../data/format.js";
import { make, setText } from "../dom.js";
import { texts } from "../texts.js";

const { case: words } = texts;
const OWN = ["sound", "sound_2"]; // of the case: its first alarm, and the first that came back
const NORMAL = "normal";
const LEAD_S = 3; // of the sound before the change

const has = (found, name) => found.files.includes(`${name}.flac`);
/** Whether there is any sound of the case itself. */
export const hasSound = (found) => OWN.some((name) => has(found, name));

const minutes = (s) => `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;

export class Comparison {
  constructor(found) {
    const names = [...OWN.filter((name) => has(found, name)), NORMAL];
    this.tracks = Object.fromEntries(names.map((name) => [name, makeTrack(found, name, () => this.fail())]));
    this.chosen = this.own = names[0];
    this.button = make("button", { class: "main play", type: "button", click: () => this.toggle() }, words.play);
    this.slider = make("input", { type: "range", min: 0, max: 1, step: "any", value: 0, "aria-label": words.position, input: () => this.seek() });
    this.time = make("span", { class: "value" });
    this.answer = make("p", { class: "answer bad", role: "status" });
    this.choices = Object.fromEntries(names.map((name) => [name, make("input", {
      type: "radio", name: "hear", value: name, checked: name === this.chosen, disabled: !this.tracks[name], change: () => this.choose(name),
    })]));
    const options = names.map((name) => make("label", {}, this.choices[name], make("span", {}, words[name])));
    this.root = make("div", { class: "comparison" },
      make("div", { class: "transport" }, this.button, this.slider, this.time),
      make("fieldset", { class: "switch" }, make("legend", { class: "unseen" }, words.hear), options),
      this.tracks[NORMAL] ? null : make("p", { class: "hint" }, words.noNormal), this.answer);
    this.timer = setInterval(() => this.show(), 100);
    this.show();
    if (found.files.includes("case.json")) this.startAtChange(found);
  }

  /** Begin each recording of the case a little before the sound changed, or before the alarm where that is not known. */
  async startAtChange(found) {
    const { explanation, sounds } = await readCaseFile(found).catch(() => ({ sounds: [] }));
    for (const entry of sounds) {
      const track = this.tracks[entry.file.replace(".flac", "")];
      const changed_s = explanation?.since ? seconds(explanation.since) - seconds(entry.began_at) : 0;
      const place_s = changed_s > 0 && changed_s < entry.alarm_at_s ? changed_s : entry.alarm_at_s;
      if (!track) continue;
      const begin = () => { if (!track.currentTime) track.currentTime = Math.max(0, place_s - LEAD_S); };
      if (track.readyState) begin();
      else track.addEventListener("loadedmetadata", begin, { once: true });
    }
  }

  get track() { return this.tracks[this.chosen]; }
  get isPlaying() { return !this.track.paused; }

  toggle() {
    if (this.isPlaying) this.track.pause();
    else this.play();
    this.show();
  }

  play() {
    setText(this.answer, "");
    this.track.play().catch((failure) => { if (failure.name !== "AbortError") this.fail(); }); // a pause before it has begun is no failure
  }

  /** Go on with another recording, from where it was left. */
  choose(name) {
    if (!this.tracks[name] || name === this.chosen) return;
    const wasPlaying = this.isPlaying;
    this.track.pause();
    this.chosen = name;
    if (name !== NORMAL) this.own = name;
    this.choices[name].checked = true;
    if (wasPlaying) this.play();
    this.show();
  }

  switchOver() { this.choose(this.chosen === NORMAL ? this.own : NORMAL); }

  seek() {
    if (Number.isFinite(this.track.duration)) this.track.currentTime = this.slider.value * this.track.duration;
  }

  fail() { setText(this.answer, words.soundFailed); }

  show() {
    const { currentTime, duration } = this.track;
    setText(this.button, this.isPlaying ? words.pause : words.play);
    const whole = Number.isFinite(duration) ? duration : 0;
    if (document.activeElement !== this.slider || this.isPlaying) this.slider.value = whole ? currentTime / whole : 0;
    const text = words.ofTime(minutes(currentTime), whole ? minutes(Math.round(whole)) : texts.measure.nothing);
    setText(this.time, text);
    this.slider.setAttribute("aria-valuetext", text);
  }

  close() {
    clearInterval(this.timer);
    for (const track of Object.values(this.tracks)) {
      if (!track) continue;
      track.pause();
      track.removeAttribute("src");
      track.load();
    }
  }
}

function makeTrack(found, name, onError) {
  if (!has(found, name)) return null;
  const track = new Audio();
  track.preload = name === NORMAL ? "none" : "metadata";
  track.loop = name === NORMAL;
  track.src = caseFile(found, `${name}.flac`);
  track.addEventListener("error", () => { if (track.getAttribute("src")) onError(); });
  return track;
}
