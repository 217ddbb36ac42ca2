// The name of the person at this browser, for what the history says. It is kept in this browser alone.

import { field, make } from "../dom.js";
import { texts } from "../texts.js";

const KEY = "aegan.name";

export const readName = () => localStorage.getItem(KEY) ?? "";
export const keepName = (name) => localStorage.setItem(KEY, name);

/** A field for the name. */
export function nameField() {
  const input = make("input", { type: "text", name: "by", maxlength: 64, autocomplete: "name", value: readName(), input: () => keepName(input.value) });
  return field(texts.alarm.by, input);
}
