// In the demo alone: switches the fault of a synthesised machine on and off.

import { switchFault } from "../data/api.js";
import { announce, make, setText } from "../dom.js";
import { texts } from "../texts.js";

const { demo: words } = texts;

export class DemoFault {
  constructor(plant, name) {
    this.plant = plant;
    this.name = name;
    this.button = make("button", { type: "button", "data-demo": "fault", click: () => this.change() });
    this.words = make("p", { class: "hint", role: "status" });
    this.root = make("section", { class: "panel demo", "aria-label": words.title, hidden: true },
      make("h2", {}, words.title), this.words, make("div", { class: "buttons" }, this.button));
  }

  async change() {
    const machine = this.plant.machines.get(this.name);
    this.button.disabled = true;
    try {
      ({ faulty: machine.demo_fault } = await switchFault(this.name, !machine.demo_fault));
    } catch (failure) {
      announce(texts.alarm.refused(failure.message));
    }
    this.update();
  }

  update() {
    const isOn = this.plant.machines.get(this.name)?.demo_fault ?? null;
    this.root.hidden = isOn === null;
    if (isOn === null) return;
    setText(this.words, isOn ? words.on : words.off);
    setText(this.button, isOn ? words.switchOff : words.switchOn);
    this.button.disabled = !this.plant.isLive || !this.plant.mayCommand;
  }
}
