// The list of cases, to be worked through with the keyboard, and beside it the chosen case.

import { MOST_ROWS, readCase, readCases } from "../data/api.js";
import { seconds } from "../data/format.js";
import { choice, field, make, setText } from "../dom.js";
import { texts } from "../texts.js";
import { CaseView } from "./case.js";
import { caseAddress, caseRow } from "./case_row.js";

const { cases: words } = texts;
const VERDICT_KEYS = { t: "true_fault", f: "false_alarm", m: "maintenance" };
const PAGE = 50;
const AGAIN_MS = 3000; // an event is in the history soon after it is published
const FILTER_KEY = "aegan.cases";

const keyOf = ({ machine, id }) => `${machine}/${id}`;
const isWide = () => innerWidth > 800;

export function showCases(content, plant, { name: named }) {
  let filter = sessionStorage.getItem(FILTER_KEY) ?? "unseen", machine = "", rows = [], chosen = null, view = null, shown = "", isClosed = false, number = 0, n_answered = 0, oldest = null;
  const visited = new Set(); // cases that were opened: they stay in the list until another list is wanted
  const list = make("ul", { class: "case-list", "aria-label": words.list });
  const detail = make("section", { class: "case-detail", "aria-label": texts.nav.cases });
  const answer = make("p", { class: "hint", role: "status" });
  const more = make("button", { type: "button", hidden: true, click: () => read(true) }, words.more);
  const filters = Object.entries({ unseen: words.unseen, all: words.all }).map(([value, label]) => make("label", {},
    make("input", { type: "radio", name: "filter", value, checked: value === filter, change: () => { filter = value; sessionStorage.setItem(FILTER_KEY, value); restart(); } }),
    make("span", {}, label)));
  const machines = make("span");
  const keys = make("details", { class: "keys" }, make("summary", {}, words.keysTitle),
    make("dl", {}, words.keys.map(([key, what]) => make("div", {}, make("dt", {}, make("kbd", {}, key)), make("dd", {}, what)))));
  content.append(make("div", { class: "title" }, make("h1", {}, words.heading),
    make("fieldset", { class: "switch" }, make("legend", { class: "unseen" }, words.show), filters), machines),
    make("div", { class: "cases" }, make("div", { class: "case-side" }, answer, list, more, keys), detail));

  function showMachines() {
    const names = [...plant.machines.keys()].sort();
    if (machines.dataset.names === names.join()) return;
    machines.dataset.names = names.join();
    machines.replaceChildren(field(words.machine, choice([["", words.everyMachine], ...names.map((each) => [each, each])], machine, (value) => { machine = value; restart(); })));
  }

  function restart() {
    rows = [];
    visited.clear();
    if (chosen) visited.add(keyOf(chosen));
    read();
  }

  async function read(isOlder = false) {
    number += 1;
    const own = number, limit = isOlder ? PAGE : Math.min(MOST_ROWS, Math.max(PAGE, rows.length)); // what was opened stays open
    try {
      const end_s = isOlder && oldest ? seconds(oldest.began_at) : undefined;
      const found = await readCases({ machine, unseen: filter === "unseen", end_s, limit });
      if (isClosed || own !== number) return; // a newer question was sent
      const known = new Map((isOlder ? rows : []).map((each) => [keyOf(each), each]));
      for (const each of found) known.set(keyOf(each), each);
      for (const each of rows) if (visited.has(keyOf(each)) && !known.has(keyOf(each))) known.set(keyOf(each), each); // K leads back to what was just judged
      if (chosen && !known.has(keyOf(chosen))) known.set(keyOf(chosen), chosen);
      oldest = found.at(-1) ?? oldest;
      more.hidden = found.length < limit || (isOlder && known.size === rows.length);
      rows = [...known.values()].sort((a, b) => seconds(b.began_at) - seconds(a.began_at));
      setText(answer, rows.length ? "" : filter === "unseen" ? words.emptyUnseen : words.empty);
      showList();
      if (!chosen && rows.length && isWide()) choose(rows[0]);
      if (!chosen && !detail.firstChild) detail.replaceChildren(make("p", { class: "hint wide" }, rows.length ? words.choose : ""));
    } catch (failure) {
      if (!isClosed && own === number) setText(answer, texts.failed(failure.message));
    }
    n_answered = Math.max(n_answered, own);
  }

  function showList() {
    const state = JSON.stringify([rows, chosen && keyOf(chosen)]);
    if (state === shown) return;
    shown = state;
    const isFocused = list.contains(document.activeElement);
    list.replaceChildren(...rows.map((each) => make("li", {}, caseRow(each, {
      "aria-current": chosen && keyOf(each) === keyOf(chosen) ? "true" : null,
      click: (event) => { if (isWide() && !event.ctrlKey && !event.metaKey) { event.preventDefault(); choose(each, true); } },
    }))));
    if (isFocused) list.querySelector("[aria-current]")?.focus();
  }

  function choose(row, isFocused = false) {
    view?.close();
    chosen = row;
    visited.add(keyOf(row));
    history.replaceState(null, "", caseAddress(row));
    content.querySelector(".cases").classList.add("has-choice");
    view = new CaseView(plant, row, (marked) => {
      rows = rows.map((each) => (keyOf(each) === keyOf(marked) ? marked : each));
      if (keyOf(chosen) === keyOf(marked)) chosen = marked;
      showList();
    });
    detail.replaceChildren(view.root);
    showList();
    if (isFocused) list.querySelector("[aria-current]")?.focus();
  }

  function step(by) {
    const place = rows.findIndex((each) => chosen && keyOf(each) === keyOf(chosen));
    const next = rows[Math.min(rows.length - 1, Math.max(0, place + by))];
    if (!next) return;
    choose(next, true);
    list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input[type=text], input[type=range], textarea, select")) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.target.closest("button, summary, input") && [" ", "ArrowDown", "ArrowUp"].includes(key)) return;
    const actions = {
      j: () => step(1), ArrowDown: () => step(1), k: () => step(-1), ArrowUp: () => step(-1), " ": () => view?.togglePlay(), b: () => view?.switchOver(),
      a: () => view?.acknowledge(), c: () => view?.focusComment(), ...Object.fromEntries(Object.entries(VERDICT_KEYS).map(([each, verdict]) => [each, () => view?.mark(verdict)])),
    };
    if (!actions[key]) return;
    event.preventDefault();
    actions[key]();
  }

  const timer = setInterval(() => { if (plant.isLive && n_answered === number) read(); }, AGAIN_MS);
  const onEvent = () => read();
  const onConnection = () => { showMachines(); if (plant.isLive) read(); };
  addEventListener("keydown", onKey);
  plant.addEventListener("event", onEvent);
  plant.addEventListener("connection", onConnection);
  showMachines();
  start();

  /** The case that the address names comes first, also where the filter leaves it out. */
  async function start() {
    if (named) {
      const [of, id] = named.includes("/") ? named.split("/") : [undefined, named];
      const found = await readCase(of, id).catch(() => null);
      if (isClosed) return;
      if (found) choose(found);
      else detail.replaceChildren(make("p", { class: "hint" }, texts.case.missing));
    }
    await read();
  }
  return () => {
    isClosed = true;
    clearInterval(timer);
    view?.close();
    removeEventListener("keydown", onKey);
    plant.removeEventListener("event", onEvent);
    plant.removeEventListener("connection", onConnection);
  };
}
