// Live sound: the endless WAV file is read piece by piece and played by the clock of the sound card. No AudioWorklet, so no secure context is needed.

import { listenAddress } from "../data/api.js";

const AHEAD_S = 0.25; // played so late, against a network that stutters
const MOST_AHEAD_S = 1.2; // more than that was held up somewhere: it is left out
const HEADER_BYTES = 44;

export class Listener {
  /** `onChange(state, detail)`: "playing" with the delay in seconds, "stopped", or "failed" with the reason. */
  constructor(machine, onChange) {
    this.machine = machine;
    this.onChange = onChange;
    this.abort = null;
  }

  get isOn() { return this.abort !== null; }

  /** Call it in a click: browsers let no page sound by itself. */
  async start() {
    const abort = new AbortController();
    this.abort = abort;
    this.audio = new AudioContext();
    try {
      await this.audio.resume();
      const answer = await fetch(listenAddress(this.machine), { signal: abort.signal, credentials: "same-origin", cache: "no-store" });
      if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? `HTTP ${answer.status}`);
      await this.play(answer.body.getReader());
      if (this.abort === abort) this.stop();
    } catch (failure) {
      if (this.abort !== abort) return; // stopped by hand
      this.stop();
      this.onChange("failed", failure.message);
    }
  }

  stop() {
    this.abort?.abort();
    this.abort = null;
    this.audio?.close();
    this.audio = null;
    this.onChange("stopped");
  }

  async play(reader) {
    let bytes = new Uint8Array(0), rate_hz = null;
    let next_s = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done || !this.isOn) return;
      bytes = join(bytes, value);
      if (rate_hz === null) {
        if (bytes.length < HEADER_BYTES) continue;
        rate_hz = new DataView(bytes.buffer, bytes.byteOffset).getUint32(24, true);
        bytes = bytes.slice(HEADER_BYTES);
      }
      const n_samples = bytes.length >> 1;
      if (!n_samples) continue;
      next_s = this.schedule(new DataView(bytes.buffer, bytes.byteOffset), n_samples, rate_hz, next_s);
      bytes = bytes.slice(2 * n_samples);
      this.onChange("playing", next_s - this.audio.currentTime);
    }
  }

  /** Play samples right after those before; when the next ones are due, on the clock of the context. */
  schedule(view, n_samples, rate_hz, next_s) {
    const now_s = this.audio.currentTime;
    if (next_s - now_s > MOST_AHEAD_S) return next_s;
    const buffer = this.audio.createBuffer(1, n_samples, rate_hz);
    const samples = buffer.getChannelData(0);
    for (let i = 0; i < n_samples; i += 1) samples[i] = view.getInt16(2 * i, true) / 32768;
    const source = this.audio.createBufferSource();
    source.buffer = buffer;
    source.connect(this.audio.destination);
    const begin_s = next_s > now_s ? next_s : now_s + AHEAD_S;
    source.start(begin_s);
    return begin_s + buffer.duration;
  }
}

function join(a, b) {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
