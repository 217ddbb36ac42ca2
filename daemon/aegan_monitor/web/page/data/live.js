// The connection to what is live. It notices a loss at once where the other end closes, and within seconds where a cable is cut.

import * as api from "./api.js";

const KINDS = ["score", "alarm", "event", "sensor", "health"];
const PROBE_MS = 3000; // between two requests that show that the monitor answers
const FIRST_RETRY_MS = 500, LAST_RETRY_MS = 5000;
const SILENT_MS = 16000; // the monitor says at least every 5 s that it is there

export class Live {
  /** `plant` takes the messages; it also hears of a loss and of each connection. */
  constructor(plant) {
    this.plant = plant;
    this.retry_ms = FIRST_RETRY_MS;
    this.source = null;
    this.timer = null;
    setInterval(() => this.probe(), PROBE_MS);
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.probe(); });
    addEventListener("offline", () => this.lose());
    addEventListener("online", () => this.connect());
  }

  connect() {
    clearTimeout(this.timer);
    this.source?.close();
    const source = new EventSource(api.liveAddress());
    this.source = source;
    this.isLoaded = false;
    this.waiting = []; // what comes before the first answer
    this.heard_ms = performance.now();
    source.onopen = () => this.load(source);
    source.onerror = () => this.find(source);
    source.addEventListener("alive", () => { this.heard_ms = performance.now(); });
    for (const kind of KINDS) source.addEventListener(kind, (message) => this.take(kind, message.data));
  }

  async load(source) {
    try {
      const [session, known, health] = await Promise.all([api.readSession(), api.readMachines(), api.readHealth()]);
      if (source !== this.source) return;
      this.retry_ms = FIRST_RETRY_MS;
      this.isLoaded = true;
      this.plant.load(known, health, session);
      for (const [kind, data] of this.waiting) this.take(kind, data);
      this.waiting = [];
    } catch (failure) {
      if (source === this.source) this.lose(failure);
    }
  }

  /** After a failure: a lost connection, or no session? */
  async find(source) {
    if (source !== this.source) return;
    const wasLoaded = this.isLoaded;
    this.lose();
    if (wasLoaded) return;
    await api.readSession().catch((failure) => { if (failure.status === 401) clearTimeout(this.timer); });
  }

  take(kind, data) {
    this.heard_ms = performance.now();
    if (!this.isLoaded) { this.waiting.push([kind, data]); return; }
    const { machine, payload } = JSON.parse(data);
    this.plant.take(kind, machine, payload);
  }

  async probe() {
    if (!this.isLoaded) return;
    if (performance.now() - this.heard_ms > SILENT_MS) { this.connect(); return; }
    const source = this.source;
    try {
      const health = await api.readHealth();
      if (source !== this.source || !this.isLoaded) return;
      if (this.plant.hasMachines(health)) this.plant.take("health", null, health);
      else this.load(source); // a reload of the configuration has added or removed some
    } catch (failure) {
      if (source === this.source) this.lose(failure);
    }
  }

  /** Say so, and try again: soon, then less often. After a refusal for want of a token the login form connects. */
  lose(failure) {
    this.source?.close();
    this.source = null;
    this.isLoaded = false;
    this.plant.lose();
    clearTimeout(this.timer);
    if (failure?.status === 401) return;
    this.timer = setTimeout(() => this.connect(), this.retry_ms * (0.75 + Math.random() / 2));
    this.retry_ms = Math.min(2 * this.retry_ms, LAST_RETRY_MS);
  }
}
