// Start: the connection, the header, and the view that the address names (#/machine/pump).

import * as api from "./data/api.js";
import { Live } from "./data/live.js";
import { Plant } from "./data/plant.js";
import { clock, setTime } from "./data/format.js";
import { announce, make, setText } from "./dom.js";
import { texts } from "./texts.js";
import { showCases } from "./views/cases.js";
import { showHealth } from "./views/health.js";
import { showHistory } from "./views/history.js";
import { showLogin } from "./views/login.js";
import { showMachine } from "./views/machine.js";
import { showOverview } from "./views/overview.js";
import { showSetup } from "./views/setup.js";

const VIEWS = { machines: showOverview, machine: showMachine, cases: showCases, history: showHistory, setup: showSetup, health: showHealth };
const NAMED = ["machines", "cases", "history", "setup", "health"]; // in the navigation

const content = document.getElementById("content");
const plant = new Plant();
const live = new Live(plant);
let close = () => {};
let isLogin = false, place = "";

const links = new Map(NAMED.map((name) => [name, make("a", { href: `#/${name}` }, texts.nav[name])]));
const brand = make("span", {}, texts.title); // then the name of the device: people have several
const state = make("span", { class: "connection", role: "status" });
const now = make("time", { class: "now" });
document.getElementById("top").append(
  make("a", { class: "brand", href: "#/machines", title: texts.title }, make("img", { src: "icon.svg", alt: "", width: 28, height: 28 }), brand),
  make("nav", { "aria-label": texts.nav.label }, [...links.values()]),
  make("div", { class: "aside" }, state, now),
);
const skip = document.getElementById("skip");
setText(skip, texts.skip);
skip.addEventListener("click", (event) => { event.preventDefault(); content.focus(); });

function readAddress() {
  const [path, search] = location.hash.replace(/^#\/?/, "").split("?");
  const [view, ...rest] = path.split("/").map(decodeURIComponent);
  return { view: VIEWS[view] ? view : "machines", name: rest.join("/"), search: new URLSearchParams(search) };
}

function show() {
  if (isLogin) return;
  const { view, name, search } = readAddress();
  close();
  content.replaceChildren();
  const shown = view === "machine" ? "machines" : view;
  for (const [each, link] of links) {
    if (each === shown) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  close = VIEWS[view](content, plant, { name, search }) ?? (() => {});
  place = view === "machine" ? name : texts.nav[shown];
  showTitle();
  window.scrollTo(0, 0);
}

/** The title says what is wrong also while another tab is looked at. */
function showTitle() {
  const n_new = [...plant.machines.values()].filter(({ alarm }) => alarm?.active && !alarm.acknowledged).length;
  const news = plant.wasLive && !plant.isLive ? texts.connection.lost : n_new ? texts.counts(n_new, texts.condition.wrong) : "";
  const title = [news, place, plant.node, texts.title].filter(Boolean).join(" · ");
  if (document.title !== title) document.title = title;
  setText(brand, plant.node || texts.title);
}

function showConnection() {
  const banner = document.getElementById("lost");
  document.body.classList.toggle("is-lost", !plant.isLive);
  state.className = `connection ${plant.isLive ? "on" : "off"}`;
  setText(state, plant.isLive ? texts.connection.live : plant.wasLive ? texts.connection.lost : texts.connection.connecting);
  const isOld = plant.wasLive && !plant.isLive && !isLogin;
  setText(banner, isOld ? texts.connection.banner(clock(plant.lostAt_s)) : "");
}

let version = null;
/** After an upgrade the daemon brings another page. */
function followVersion() {
  if (!plant.isLive) return;
  if (version !== null && plant.health.version !== version) location.reload();
  version = plant.health.version;
}

plant.addEventListener("connection", followVersion);
plant.addEventListener("connection", showConnection);
plant.addEventListener("machines", showTitle);
plant.addEventListener("event", ({ detail: { machine, payload } }) => {
  if (payload.kind === "raised") announce(texts.alarm.raised(machine.name), true);
  else if (["cleared", "closed"].includes(payload.kind)) announce(texts.alarm.ended(machine.name));
});

api.whenLoginIsWanted(() => {
  if (isLogin) return;
  isLogin = true;
  close();
  close = () => {};
  document.body.classList.add("is-login");
  showLogin(content, () => {
    isLogin = false;
    document.body.classList.remove("is-login");
    live.connect();
    show();
  });
});

addEventListener("hashchange", () => { show(); content.focus({ preventScroll: true }); });
setInterval(() => setTime(now, Math.floor(api.serverNow_s())), 1000);
showConnection();
show();
live.connect();
