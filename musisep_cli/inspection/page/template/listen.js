/*
 * The page: what is shown follows from the player and from what is solo and mute.
 */

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

const run = JSON.parse($("#run").textContent);
const SILENT_DB = -30; // The level's lower end is silence.
const ZOOMS = [1, 1.5, 2, 3, 4, 6, 8, 12, 16];
const TICKS_S = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800];
const SHORTEST_LOOP_S = 0.15; // What is dragged over less than that is a click.
const NAME_OF_FILE = /^[^\\/:*?"<>|,]+$/; // What can be the name of a file anywhere, and stands between commas.

const state = {
  solo: new Set(),
  mute: new Set(run.embedded ? ["mix"] : []),
  solosBefore: new Set(), // before the original was heard alone
  decibels: {},
  stretch: null, // [from, to] in seconds, kept while the loop is off
  looping: false,
  zoom: 0,
};

const say = (text) => ($("#status").textContent = text);
const player = run.embedded ? new Player(run, bytesOf, say) : new FilePlayer(run, say);
const tracks = $$(".track");
const rowOf = (element) => element.closest("[data-row]").dataset.row;
const calledOf = (row) => nameInput(row)?.value.trim() || $(`.track[data-row="${row}"] .name`).textContent || row;
const nameInput = (row) => $(`.track[data-row="${row}"] input.name`);
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** The bytes of a sound that is in the page as Base64. */
function bytesOf(key) {
  const text = atob($(`[data-sound="${CSS.escape(key)}"]`).textContent);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes.buffer;
}

function clock(seconds, digits = 1) {
  const whole = Math.floor(seconds / 60);
  return `${whole}:${(seconds - 60 * whole).toFixed(digits).padStart(digits ? 3 + digits : 2, "0")}`;
}

/* What is heard: solo, mute, level. */

function gainOf(row) {
  const heard = state.solo.size ? state.solo.has(row) : !state.mute.has(row);
  const decibels = state.decibels[row] ?? 0;
  const scale = run.sounds[player.seed.tracks[row]].scale;
  return heard && decibels > SILENT_DB ? 10 ** (decibels / 20) * (run.embedded ? 1 : scale) : 0;
}

function mix() {
  for (const track of tracks) {
    const row = track.dataset.row;
    const gain = gainOf(row);
    player.setLevel(row, gain);
    track.classList.toggle("silent-now", gain === 0);
    $(".solo", track).setAttribute("aria-pressed", state.solo.has(row));
    $(".mute", track).setAttribute("aria-pressed", state.mute.has(row));
  }
  for (const line of $$(".notes .line")) line.classList.toggle("dim", gainOf(line.dataset.row) === 0 && !isOriginal());
  $("#original")?.setAttribute("aria-pressed", isOriginal());
}

const isOriginal = () => state.solo.size === 1 && state.solo.has("mix");

function toggle(set, row) {
  set.has(row) ? set.delete(row) : set.add(row);
  mix();
}

function solo(row) {
  toggle(state.solo, row);
  const names = [...state.solo].map(calledOf);
  say(names.length ? `Solo: ${names.join(", ")}.` : "No solo: all tracks that are not mute.");
}

function mute(row) {
  toggle(state.mute, row);
  say(`${calledOf(row)} is ${state.mute.has(row) ? "mute" : "heard"}.`);
}

function original() {
  const on = !isOriginal();
  if (on) state.solosBefore = state.solo;
  state.solo = on ? new Set(["mix"]) : new Set(state.solosBefore);
  mix();
  say(on ? "The original recording." : "The separated tracks.");
}

function level(row, decibels) {
  state.decibels[row] = decibels;
  const track = $(`.track[data-row="${row}"]`);
  const words = decibels > SILENT_DB ? `${decibels > 0 ? "+" : ""}${decibels} dB`.replace("-", "−") : "off";
  $(".decibels", track).textContent = words;
  $(".level", track).setAttribute("aria-valuetext", words);
  mix();
}

/* Where it is heard: position, loop, zoom. */

async function play() {
  if (player.playing) player.pause();
  else await player.play();
  say(player.playing ? "Playing." : "Paused.");
  draw();
}

function seek(seconds) {
  player.seek(clamp(seconds, 0, run.seconds));
  draw();
}

function loop(stretch, looping) {
  state.stretch = stretch;
  state.looping = Boolean(stretch && looping);
  player.setLoop(state.looping ? stretch : null);
  const [from, to] = stretch ?? [0, 0];
  const sheet = $("#sheet");
  sheet.style.setProperty("--from", from / run.seconds);
  sheet.style.setProperty("--to", to / run.seconds);
  sheet.classList.toggle("looped", state.looping);
  $("#loop").setAttribute("aria-pressed", state.looping);
  if (state.looping) say(`Loop from ${clock(from, 2)} to ${clock(to, 2)}.`);
  else say(stretch ? "The loop is off." : "No loop.");
  draw();
}

/** Begin or end the loop at the position; without its other end it reaches to that of the recording. */
function loopEnd(isStart) {
  const [from, to] = state.stretch ?? [0, run.seconds];
  const here = player.seconds;
  const stretch = isStart ? [here, to > here ? to : run.seconds] : [from < here ? from : 0, here];
  if (stretch[1] - stretch[0] >= SHORTEST_LOOP_S) loop(stretch, true);
}

function zoom(step) {
  state.zoom = clamp(state.zoom + step, 0, ZOOMS.length - 1);
  $("#sheet").style.setProperty("--zoom", ZOOMS[state.zoom]);
  ticks();
  follow(true);
}

/** Keep the position in sight of a sheet that is wider than the window. */
function follow(always) {
  const box = $("#tracks");
  const lane = $("#position");
  const side = box.clientWidth - lane.clientWidth / ZOOMS[state.zoom];
  const x = (player.seconds / run.seconds) * lane.clientWidth;
  const width = box.clientWidth - side;
  if (always || x < box.scrollLeft || x > box.scrollLeft + width) box.scrollLeft = x - width * (always ? 0.5 : 0.1);
}

function ticks() {
  const lane = $("#ruler");
  lane.replaceChildren();
  const room = lane.clientWidth / 70;
  const step = TICKS_S.find((s) => run.seconds / s <= room) ?? 3600;
  for (let at = 0; at < run.seconds; at += step) {
    const tick = document.createElement("span");
    tick.className = "tick";
    tick.textContent = clock(at, step < 1 ? 1 : 0);
    tick.style.left = `${(100 * at) / run.seconds}%`;
    lane.append(tick);
  }
}

/* Which seed is heard. */

function choose(seed) {
  if (!seed || seed === player.seed) return;
  player.setSeed(seed);
  mix();
  show();
  say(`Seed ${seed.seed}${seed.seed === run.chosen ? ", the one on top" : ""}.`);
}

function nextSeed(step) {
  const number = run.seeds.indexOf(player.seed) + step;
  choose(run.seeds.at(number % run.seeds.length));
}

/** A/B: the seed that was heard before; at first the next one. */
function swap() {
  choose(player.before === player.seed ? run.seeds[1] : player.before);
}

function show() {
  const { seed, doubts } = player.seed;
  for (const input of $$("#seeds input")) {
    input.checked = Number(input.value) === seed;
    input.parentElement.classList.toggle("before", Number(input.value) === player.before.seed && player.before !== player.seed);
  }
  for (const svg of $$(".notes")) svg.toggleAttribute("hidden", Number(svg.dataset.seed) !== seed);
  for (const track of tracks) fill($(".strip", track), player.seed.tracks[track.dataset.row]);
  $("#doubts").hidden = !run.seeds.some((each) => each.doubts.length);
  $("#doubts .lane").replaceChildren(...doubts.map(doubtMark));
  command();
  draw();
}

function fill(strip, key) {
  const picture = `url("${run.strips[key]}")`;
  strip.style.maskImage = picture;
  strip.style.webkitMaskImage = picture;
}

/** A mark at a stretch in which the other seeds contradict this one. */
function doubtMark([from, to, share]) {
  const mark = document.createElement("button");
  mark.type = "button";
  mark.className = "doubt";
  mark.style.left = `${(100 * from) / run.seconds}%`;
  mark.style.width = `${(100 * (to - from)) / run.seconds}%`;
  const words = `Seeds differ from ${clock(from)} to ${clock(to)}: they agree on ${Math.round(100 * share)}% of the notes`;
  mark.title = words;
  mark.setAttribute("aria-label", `${words}. Go there.`);
  mark.addEventListener("click", (event) => {
    event.stopPropagation();
    seek(from);
    say(`${words}.`);
  });
  return mark;
}

function nextDoubt() {
  const { doubts } = player.seed;
  const next = doubts.find(([from]) => from > player.seconds + 0.1) ?? doubts[0];
  if (!next) return say("Nothing is marked: no stretch is known where the seeds differ.");
  seek(next[0]);
  say(`The seeds differ from ${clock(next[0])} to ${clock(next[1])}.`);
}

/* Which command keeps it. */

/** A word as shells take it. */
function quoted(word) {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  return isWindows() ? `"${word}"` : `'${word.replaceAll("'", `'\\''`)}'`;
}

const isWindows = () => /Win/.test(navigator.platform);

/** The folder in which this page lies, as the machine that shows it calls it. */
function folder() {
  if (location.protocol !== "file:") return run.name;
  let path = location.pathname.replace(/\/[^/]*$/, "");
  try {
    path = decodeURIComponent(path);
  } catch {
    return run.name; // A name that is not UTF-8 can be typed by nobody.
  }
  return isWindows() ? path.replace(/^\//, "").replaceAll("/", "\\") : path;
}

function command() {
  const rows = run.names.map((_, i) => `line-${i + 1}`);
  const names = rows.map((row, i) => (nameInput(row).validity.valid && nameInput(row).value.trim()) || run.names[i]);
  // The command counts instruments as the seed does, the page as the seed that is on top.
  const own = player.seed.own.map((number, i) => [number, names[i]]).sort(([a], [b]) => a - b);
  const words = ["musisep", "choose", quoted(folder()), "--seed", player.seed.seed];
  if (names.some((name, i) => name !== `instrument-${i + 1}`)) words.push("--names", quoted(own.map(([, name]) => name).join(",")));
  $("#command").textContent = words.join(" ");
  $("#choice").textContent = player.seed.seed;
  if ($("#hear-all")) $("#hear-all").textContent = `musisep inspect ${quoted(folder())} --page --all-seeds`;
}

function rename(row) {
  const input = nameInput(row);
  const name = input.value.trim();
  const others = $$("input.name").filter((other) => other !== input).map((other) => other.value.trim().toLowerCase());
  const taken = others.includes(name.toLowerCase()) || ["mix", "residual"].includes(name.toLowerCase());
  const wrong = !NAME_OF_FILE.test(name) || name.startsWith(".");
  input.setCustomValidity(wrong ? "This cannot be the name of a file." : taken ? "This name is taken." : "");
  if (input.validationMessage) say(`${name || "An empty name"}: ${input.validationMessage}`);
  const track = input.closest(".track");
  track.setAttribute("aria-label", name);
  for (const [kind, word] of [["solo", "Solo"], ["mute", "Mute"], ["level", "Level of"]])
    $(`.${kind}`, track).setAttribute("aria-label", `${word} ${name}`);
  $(`.legend [data-row="${row}"] .called`).textContent = name;
  command();
}

async function copy(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    say("Copied: paste it into a terminal.");
  } catch {
    getSelection().selectAllChildren(code);
    say("Selected: copy it with Ctrl+C or Cmd+C.");
  }
}

/* What is seen. */

function draw() {
  const at = player.seconds;
  $("#sheet").style.setProperty("--at", at / run.seconds);
  $("#now").textContent = clock(at);
  const button = $("#play");
  button.classList.toggle("on", player.playing);
  button.classList.toggle("waiting", player.waiting);
  button.setAttribute("aria-label", player.playing ? "Pause" : "Play");
  const slider = $("#position");
  slider.setAttribute("aria-valuenow", at.toFixed(1));
  slider.setAttribute("aria-valuetext", `${clock(at)} of ${clock(run.seconds, 0)}`);
  for (const [row, notes] of Object.entries(player.seed.notes)) {
    const note = notes.find(([from, to]) => from <= at && at < to);
    const cell = $(`.track[data-row="${row}"] .note`);
    const text = note ? note[2].replace("#", "♯") : "";
    if (cell.textContent !== text) cell.textContent = text;
  }
}

function frame() {
  if (player.playing) {
    draw();
    if (state.zoom) follow(false);
  } else if ($("#play").classList.contains("on")) draw();
  requestAnimationFrame(frame);
}
