// The alarm of one machine, with what people can do about it.

import { command } from "../data/api.js";
import { announce, choice, field, make, setText } from "../dom.js";
import { texts } from "../texts.js";
import { describe, listBadges } from "../words.js";
import { caseAddress } from "./case_row.js";
import { nameField, readName } from "./person.js";

const { alarm: words } = texts;

export class AlarmBar {
  constructor(plant, name) {
    this.plant = plant;
    this.name = name;
    this.title = make("h2");
    this.words = make("p", { class: "words" });
    this.badges = make("ul", { class: "badges" });
    this.reason = make("input", { type: "text", name: "reason", maxlength: 200 });
    this.shelf_s = "3600";
    const durations = choice(Object.entries(words.durations), this.shelf_s, (value) => { this.shelf_s = value; });
    this.answer = make("p", { class: "answer", role: "status" });
    this.person = nameField();
    this.link = make("a", { class: "case-link" }, words.openCase);
    this.reader = make("p", { class: "hint", hidden: true }, words.reader);
    this.buttons = {
      acknowledge: this.button("acknowledge", "main"), close: this.button("close"), shelve: this.button("shelve"), unshelve: this.button("unshelve"),
      out_of_service: this.button("out_of_service"), in_service: this.button("in_service"),
    };
    const { acknowledge, close, shelve, unshelve, out_of_service, in_service } = this.buttons;
    this.shelfField = field(words.shelveFor, durations);
    this.root = make("section", { class: "panel alarm-bar", "aria-label": words.bar },
      make("div", { class: "head" }, this.title, this.badges), this.words, this.link,
      make("div", { class: "fields" }, this.person, field(words.reason, this.reason)),
      make("div", { class: "buttons" }, acknowledge, close, unshelve, in_service, make("div", { class: "joined" }, this.shelfField, shelve), out_of_service),
      this.reader, this.answer);
  }

  button(name, kind = "") {
    const label = { acknowledge: words.acknowledge, close: words.close, shelve: words.shelve, unshelve: words.unshelve,
      out_of_service: words.outOfService, in_service: words.inService }[name];
    return make("button", { type: "button", disabled: true, class: kind, "data-command": name, click: () => this.send(name), title: name === "close" ? words.closeWords : null }, label);
  }

  async send(name) {
    const { alarm } = this.plant.machines.get(this.name) ?? {};
    const body = { command: name, by: readName(), reason: this.reason.value };
    if (name === "shelve") body.duration_s = Number(this.shelf_s);
    if (["acknowledge", "close"].includes(name) && alarm?.alarm_id) body.event_id = alarm.alarm_id; // never another alarm than the one that was seen
    for (const button of Object.values(this.buttons)) button.disabled = true;
    try {
      await command(this.name, body);
      this.say(words.done[name], false);
      this.reason.value = "";
    } catch (failure) {
      this.say(words.refused(failure.message), true);
    }
    this.update();
  }

  say(line, isBad) {
    this.answer.className = `answer ${isBad ? "bad" : "good"}`;
    setText(this.answer, line);
    announce(line);
  }

  update() {
    const machine = this.plant.machines.get(this.name);
    if (!machine) return;
    const { alarm } = machine;
    const isActive = this.plant.isLive && Boolean(alarm?.active);
    this.root.dataset.condition = this.plant.judge(machine);
    this.root.classList.toggle("calm", Boolean(alarm?.acknowledged) || !alarm?.active);
    setText(this.title, isActive ? words.active : this.plant.isLive ? words.none : texts.condition.unknown);
    setText(this.words, describe(this.plant, machine));
    const badges = listBadges(this.plant, machine);
    if (isActive && alarm.case) badges.unshift(texts.severity[alarm.case.severity]);
    if (this.badges.dataset.shown !== badges.join()) {
      this.badges.dataset.shown = badges.join();
      this.badges.replaceChildren(...badges.map((each) => make("li", {}, each)));
    }
    this.link.hidden = !isActive || !alarm.case;
    if (!this.link.hidden) this.link.href = caseAddress({ machine: this.name, id: alarm.case.id });
    this.person.hidden = Boolean(this.plant.person);
    this.reader.hidden = !this.plant.isLive || this.plant.mayCommand;
    const shown = { acknowledge: isActive && !alarm.acknowledged, close: isActive, unshelve: Boolean(alarm?.shelved_until), in_service: Boolean(alarm?.out_of_service),
      shelve: true, out_of_service: !alarm?.out_of_service };
    for (const [name, button] of Object.entries(this.buttons)) {
      button.hidden = !shown[name];
      button.disabled = !this.plant.isLive || !this.plant.mayCommand;
    }
  }
}
