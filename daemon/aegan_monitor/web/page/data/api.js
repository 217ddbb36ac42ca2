// The HTTP interface: one function a request. All addresses are relative, so the page works below any path.

import { texts } from "../texts.js";
import { utc } from "./format.js";

const ROOT = "api/v1/";
const ANSWER_MS = 5000;

export class Failure extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

let onLogin = () => {};
/** Call `action` when an answer says that a token is wanted. */
export function whenLoginIsWanted(action) { onLogin = action; }

let offset_s = 0;
/** Seconds since 1970 by the monitor's clock, which may differ from this computer's. */
export const serverNow_s = () => Date.now() / 1000 + offset_s;

async function request(path, options = {}) {
  let answer;
  try {
    answer = await fetch(ROOT + path, { credentials: "same-origin", cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS), ...options });
  } catch {
    throw new Failure(texts.noAnswer, 0);
  }
  const date = Date.parse(answer.headers.get("date"));
  if (date && Math.abs(date / 1000 - serverNow_s()) > 2) offset_s = (date - Date.now()) / 1000;
  const body = await answer.json().catch(() => ({}));
  if (answer.status === 401 && path !== "session") onLogin();
  if (!answer.ok) throw new Failure(body.error ?? `HTTP ${answer.status}`, answer.status);
  return body;
}

const send = (method, path, body) => request(path, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

const part = encodeURIComponent;
export const MOST_ROWS = 1000; // that the monitor gives at once
const LONG_S = 370 * 86400;

export const readHealth = () => request("health");
/** The name of the device, and the state of each machine; `can_listen` says whether there is sound of it. */
export async function readMachines() {
  const { node, machines, listens } = await request("machines");
  return { node, machines: machines.map((each) => ({ ...each, can_listen: listens })) };
}
/** Lines of the commissioning report of a machine; none where its alarm has no budget. */
export const readCommissioning = (name) => request(`machines/${part(name)}/commissioning`);
/** How far the recording of a machine is. */
export const readRecording = (name) => request(`machines/${part(name)}/recording`);
/** Score, evidence and level in at most `points` points, at `times_s`. */
export async function readSeries(name, begin_s, end_s, points) {
  const { times, ...values } = await request(`machines/${part(name)}/series${query({ begin: utc(begin_s), end: utc(end_s), points })}`);
  return { times_s: times, ...values };
}
/** Cases, the newest first: by default those of the last year. */
export async function readCases({ machine, begin_s, end_s, unseen, limit = MOST_ROWS } = {}) {
  const begin = utc(begin_s ?? (end_s ?? serverNow_s()) - LONG_S);
  const end = end_s === undefined ? undefined : utc(end_s); // the clock may have been set back: the newest then lies ahead
  const { cases } = await request(`cases${query({ machine, begin, end, unseen: unseen || undefined, limit })}`);
  return cases;
}
// Machines with a common cause have a case each, with one id: so it is found by both.
export const readCase = (machine, id) => request(`cases/${part(id)}${query({ machine })}`);
/** Events of a machine and of the daemon itself, the newest first. */
export async function readEvents(machine, begin_s, end_s, limit) {
  const { events } = await request(`events${query({ machine, with_daemon: true, begin: utc(begin_s), end: utc(end_s), limit })}`);
  return events;
}
export const markCase = (machine, id, mark) => send("POST", `cases/${part(id)}${query({ machine })}`, mark);
/** Who is signed in: role, name, and whether a token is wanted at all. */
export async function readSession() {
  const session = await request("session");
  if (!session.role) {
    onLogin();
    throw new Failure(texts.login.heading, 401);
  }
  return session;
}
/** Whether there is a token to sign in with; without one a reverse proxy signs people in. */
export const readNeedsToken = async () => (await request("session")).needs_token;
export const signIn = (token, name) => send("POST", "session", { token, name });
export const signOut = () => request("session", { method: "DELETE" });

/** Send a command; the result payload, or a Failure with the reason of the refusal. */
export async function command(machine, body) {
  const result = await send("POST", `machines/${part(machine)}/command`, body);
  if (!result.accepted) throw new Failure(result.reason, 200);
  return result;
}

/** In the demo: make a machine sound faulty, or normal again. */
export const switchFault = (machine, faulty) => send("POST", "demo/fault", { machine, faulty });

/** Words and scores of a case, and what its recordings hold. */
export const readCaseFile = ({ machine, id }) => request(`cases/${part(id)}/case.json${query({ machine })}`);
export const caseFile = ({ machine, id }, name) => `${ROOT}cases/${part(id)}/${name}${query({ machine })}`;
export const liveAddress = () => `${ROOT}live`;
export const spectrogramAddress = (machine) => `${ROOT}machines/${part(machine)}/spectrogram`;
export const listenAddress = (machine) => `${ROOT}machines/${part(machine)}/listen.wav`;
export const supportBundleAddress = () => `${ROOT}support_bundle`;
