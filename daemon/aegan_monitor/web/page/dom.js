// Makes elements. No markup is ever parsed from text.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** An HTML element; an attribute that is a function listens to the event of that name. */
export function make(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

const SHAPES = { // each state has a shape of its own, for those who see no colours
  wrong: ["M12 2.5 22.5 21h-21Z", "M12 9v5.5M12 17.6v.4"],
  deaf: ["M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20Z", "M6.5 6.5l11 11"],
  unknown: ["M4 4h16v16H4Z", "M8 12h8"],
  unproved: ["M12 1.8 22.2 12 12 22.2 1.8 12Z", "M9.8 10a2.3 2.3 0 1 1 3.3 2c-.8.4-1.1.9-1.1 1.7M12 16.4v.3"],
  quiet: ["M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20Z", "M7.5 12.5l3 3 6-6.5"],
};

/** The sign of a condition; its words stand beside it. */
export function sign(condition) {
  const [outline, mark] = SHAPES[condition].map((d) => fill(document.createElementNS(SVG, "path"), { d }, []));
  outline.setAttribute("class", "outline");
  return fill(document.createElementNS(SVG, "svg"), { viewBox: "0 0 24 24", class: "sign", "aria-hidden": "true" }, [outline, mark]);
}

/** Set the text of an element, only where it differs: a screen reader then reads changes alone. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A labelled field: the control inside its label. */
export function field(words, control) {
  return make("label", { class: "field" }, make("span", {}, words), control);
}

/** A list of options; `choices` are [value, words]. */
export function choice(choices, value, onchange, attributes = {}) {
  const select = make("select", { change: () => onchange(select.value), ...attributes }, choices.map(([each, words]) => make("option", { value: each }, words)));
  select.value = value;
  return select;
}

/** Say a line to a screen reader; urgent lines interrupt. */
export function announce(line, isUrgent = false) {
  const region = document.getElementById(isUrgent ? "assertive" : "polite");
  region.textContent = "";
  requestAnimationFrame(() => { region.textContent = line; });
}
