"use strict";

/*
 * Players: all tracks of a seed at once, sample for sample.
 *
 * A track is decoded when it is first heard, and started at the frame of the audio clock at which
 * it falls into step with those that play already. So a solo, another seed or a new loop never
 * moves anything in time. Every start and end is a short ramp: nothing clicks.
 *
 * Frames and positions are whole numbers of samples at the recording's rate, at which the audio
 * context runs too.
 */

const FADE_S = 0.012; // Ramp in s of a source that starts or ends.
const RAMP_S = 0.03; // Ramp in s of a level that is changed.
const LEAD_S = 0.06; // Time in s by which a start is planned ahead, so that all sources make it.
const SEAM_S = 1.5; // Time in s by which the dip at a loop's end is planned ahead: hidden pages sleep a second.
const MP3_DELAY = 1105; // Samples that encoder and decoder put before an MP3, where a browser leaves them in.

/** Sounds that are in the page, by way of Web Audio. */
class Player {
  /**
   * @param run what the page knows of the run
   * @param bytesOf function from the key of a sound to its bytes
   * @param onProblem function that is told, in words, what went wrong
   */
  constructor(run, bytesOf, onProblem) {
    this.run = run;
    this.bytesOf = bytesOf;
    this.onProblem = onProblem;
    this.seed = this.before = run.seeds[0];
    this.levels = {}; // row -> gain
    this.loop = null; // [from, to] as positions
    this.playing = false;
    this.waiting = false; // for sounds that are being decoded
    this.at = 0; // position from which to play
    this.anchor = null; // {frame, at}: the position `at` sounds at this frame of the clock
    this.wish = 0; // counts what was asked for, so that what comes late is known
    this.buffers = new Map(); // key -> promise of {buffer, skip}
    this.sources = new Map(); // key -> {source, envelope}
    this.rows = {}; // row -> gain node
  }

  get frame() {
    return Math.round(this.context.currentTime * this.run.rate);
  }

  /** The position that is heard now, in seconds. */
  get seconds() {
    if (!this.anchor) return this.at / this.run.rate;
    const late = (this.context.outputLatency || 0) * this.run.rate;
    return Math.max(this.positionAt(Math.max(this.frame - late, this.anchor.frame)), 0) / this.run.rate;
  }

  positionAt(frame) {
    const at = this.anchor.at + frame - this.anchor.frame;
    if (!this.loop || at < this.loop[1]) return at;
    const [from, to] = this.loop;
    return from + ((at - from) % (to - from));
  }

  open(context) {
    if (this.context) return;
    this.context = context ?? new AudioContext({ sampleRate: this.run.rate, latencyHint: "interactive" });
    this.master = new GainNode(this.context);
    this.seam = new GainNode(this.context);
    this.seam.connect(this.master).connect(this.context.destination);
    for (const row of Object.keys(this.seed.tracks)) {
      this.rows[row] = new GainNode(this.context, { gain: this.levels[row] ?? 1 });
      this.rows[row].connect(this.seam);
    }
  }

  async play() {
    this.open();
    this.playing = true;
    this.anchor = null;
    if (this.loop && (this.at < this.loop[0] || this.at >= this.loop[1])) this.at = this.loop[0];
    this.timer ??= setInterval(() => this.tick(), 100);
    await this.context.resume();
    await this.sync();
  }

  pause() {
    this.at = Math.round(this.seconds * this.run.rate);
    this.playing = this.waiting = false;
    this.anchor = null;
    this.wish++;
    clearInterval(this.timer);
    this.timer = undefined;
    this.stopAll(this.frame + Math.ceil(0.005 * this.run.rate));
  }

  async seek(seconds) {
    this.at = Math.min(Math.max(Math.round(seconds * this.run.rate), 0), this.run.samples - 1);
    this.anchor = null;
    if (this.playing) await this.sync();
  }

  /** Change the gain of a row; what was silent before joins in step. */
  async setLevel(row, gain) {
    this.levels[row] = gain;
    if (!this.context) return;
    const level = this.rows[row].gain;
    const now = this.context.currentTime;
    level.cancelScheduledValues(now);
    level.setValueAtTime(level.value, now);
    level.linearRampToValueAtTime(gain, now + RAMP_S);
    if (this.playing) await this.sync();
  }

  async setSeed(seed) {
    if (seed === this.seed) return;
    this.before = this.seed;
    this.seed = seed;
    if (this.playing) await this.sync();
  }

  /** Repeat a stretch, [from, to] in seconds; null to play on. */
  async setLoop(stretch) {
    const at = Math.round(this.seconds * this.run.rate);
    this.loop = stretch && stretch.map((s) => Math.min(Math.round(s * this.run.rate), this.run.samples));
    if (!this.playing) return;
    this.at = this.loop && (at < this.loop[0] || at >= this.loop[1]) ? this.loop[0] : at;
    this.anchor = null;
    await this.sync();
  }

  /** Keys of the sounds of the current seed that are to be heard, with their rows. */
  audible() {
    return Object.entries(this.seed.tracks).filter(([row]) => (this.levels[row] ?? 1) > 0);
  }

  /** Make what sounds follow from what was asked for: decode, start in step, end the rest. */
  async sync() {
    const wish = ++this.wish;
    const wanted = this.audible();
    this.waiting = true;
    let loaded;
    try {
      loaded = await Promise.all(wanted.map(([, key]) => this.load(key)));
    } catch (error) {
      if (wish === this.wish) {
        this.pause();
        this.onProblem(`This browser cannot play the sound: ${error.message}`);
      }
      return;
    }
    if (wish !== this.wish || !this.playing) return;
    this.waiting = false;
    const when = this.frame + Math.ceil(LEAD_S * this.run.rate);
    if (!this.anchor) {
      this.stopAll(when);
      this.anchor = { frame: when, at: this.at };
      this.resetSeams();
    }
    const own = new Set(Object.values(this.seed.tracks));
    for (const key of [...this.sources.keys()]) if (!own.has(key)) this.stop(key, when);
    wanted.forEach(([row, key], i) => {
      if (!this.sources.has(key)) this.start(key, row, loaded[i], when);
    });
    this.forget();
  }

  load(key) {
    if (!this.buffers.has(key)) {
      const decoded = this.context.decodeAudioData(this.bytesOf(key)).then((buffer) => {
        const surplus = buffer.length - this.run.samples;
        return { buffer, skip: surplus >= MP3_DELAY / 2 ? Math.min(MP3_DELAY, surplus) : 0 };
      });
      decoded.catch(() => this.buffers.delete(key));
      this.buffers.set(key, decoded);
    }
    return this.buffers.get(key);
  }

  /** Give decoded sounds back, but for those of this seed and of the one before. */
  forget() {
    const kept = new Set([...Object.values(this.seed.tracks), ...Object.values(this.before.tracks)]);
    for (const key of [...this.buffers.keys()]) if (!kept.has(key)) this.buffers.delete(key);
  }

  start(key, row, { buffer, skip }, when) {
    const rate = this.run.rate;
    const envelope = new GainNode(this.context, { gain: 0 });
    const source = new AudioBufferSourceNode(this.context, { buffer });
    source.connect(envelope).connect(this.rows[row]);
    envelope.gain.setValueAtTime(0, when / rate);
    envelope.gain.linearRampToValueAtTime(1, when / rate + FADE_S);
    if (this.loop) {
      source.loop = true;
      source.loopStart = (this.loop[0] + skip) / rate;
      source.loopEnd = (this.loop[1] + skip) / rate;
    }
    source.start(when / rate, (this.positionAt(when) + skip) / rate);
    this.sources.set(key, { source, envelope });
  }

  stop(key, when) {
    const { source, envelope } = this.sources.get(key);
    const start = when / this.run.rate;
    envelope.gain.setValueAtTime(1, start);
    envelope.gain.linearRampToValueAtTime(0, start + FADE_S);
    source.stop(start + FADE_S);
    source.onended = () => envelope.disconnect();
    this.sources.delete(key);
  }

  stopAll(when) {
    for (const key of [...this.sources.keys()]) this.stop(key, when);
  }

  resetSeams() {
    this.seam.gain.cancelScheduledValues(0);
    this.seam.gain.setValueAtTime(1, this.context.currentTime);
    this.nextSeam = this.loop && this.anchor.frame + this.loop[1] - this.anchor.at;
  }

  /** Plan what lies ahead: the dip at the loop's end, and the end of the recording. */
  tick() {
    if (!this.anchor) return;
    if (!this.loop) {
      if (this.seconds < this.run.seconds) return;
      this.pause();
      this.at = 0;
      return;
    }
    const length = this.loop[1] - this.loop[0];
    const fade = Math.min(FADE_S, length / this.run.rate / 4);
    while (this.nextSeam < this.frame + SEAM_S * this.run.rate) {
      const seam = this.nextSeam / this.run.rate;
      if (this.nextSeam > this.frame + fade * this.run.rate) {
        this.seam.gain.setValueAtTime(1, seam - fade);
        this.seam.gain.linearRampToValueAtTime(0, seam);
        this.seam.gain.linearRampToValueAtTime(1, seam + fade);
      }
      this.nextSeam += length;
    }
  }
}

/** Files beside a page that is too large to hold them, by way of audio elements: in step to some hundredths of a second. */
class FilePlayer {
  constructor(run, onProblem) {
    this.run = run;
    this.onProblem = onProblem;
    this.seed = this.before = run.seeds[0];
    this.levels = {};
    this.loop = null;
    this.playing = this.waiting = false;
    this.at = 0;
    this.files = new Map(); // key -> audio element
  }

  get leader() {
    return this.playing ? [...this.sounding().values()][0] : undefined;
  }

  get seconds() {
    return this.leader ? this.leader.currentTime : this.at;
  }

  /** Elements of the current seed's rows, made when they are first needed. */
  sounding() {
    const found = new Map();
    for (const [row, key] of Object.entries(this.seed.tracks)) {
      const { file } = this.run.sounds[key];
      if (!file) continue;
      if (!this.files.has(key)) {
        const audio = new Audio(file);
        audio.onerror = () => this.onProblem(`${decodeURI(file)} is not beside this page.`);
        this.files.set(key, audio);
      }
      found.set(row, this.files.get(key));
    }
    return found;
  }

  async play() {
    this.playing = true;
    this.timer ??= setInterval(() => this.tick(), 100);
    const sounding = this.sounding();
    for (const [row, audio] of sounding) {
      audio.currentTime = this.at;
      audio.volume = Math.min(this.levels[row] ?? 1, 1);
    }
    await Promise.allSettled([...sounding.values()].map((audio) => audio.play()));
  }

  pause() {
    this.at = this.seconds;
    this.playing = false;
    clearInterval(this.timer);
    this.timer = undefined;
    for (const audio of this.files.values()) audio.pause();
  }

  async seek(seconds) {
    this.at = Math.min(Math.max(seconds, 0), this.run.seconds);
    if (this.playing) for (const audio of this.sounding().values()) audio.currentTime = this.at;
  }

  async setLevel(row, gain) {
    this.levels[row] = gain;
    const audio = this.sounding().get(row);
    if (audio) audio.volume = Math.min(gain, 1);
  }

  async setSeed(seed) {
    if (seed === this.seed) return;
    const { playing } = this;
    if (playing) this.pause();
    this.before = this.seed;
    this.seed = seed;
    if (playing) await this.play();
  }

  async setLoop(stretch) {
    this.loop = stretch;
    if (stretch && (this.seconds < stretch[0] || this.seconds >= stretch[1])) await this.seek(stretch[0]);
  }

  /** Keep the files in step with the first one, and turn round at the end of the loop. */
  tick() {
    const { leader } = this;
    if (!leader) return;
    if (this.loop && leader.currentTime >= this.loop[1]) this.seek(this.loop[0]);
    if (leader.ended) {
      this.pause();
      this.at = 0;
      return;
    }
    for (const audio of this.sounding().values())
      if (Math.abs(audio.currentTime - leader.currentTime) > 0.04) audio.currentTime = leader.currentTime;
  }
}
