/*
 * Hands: what is pressed, dragged and typed.
 */


function drag(lane) {
  const secondsAt = (event) => {
    const box = lane.getBoundingClientRect();
    return clamp((event.clientX - box.left) / box.width, 0, 1) * run.seconds;
  };
  let start = null;
  lane.addEventListener("pointerdown", (event) => {
    if (event.button || event.target.closest("button")) return;
    start = { x: event.clientX, at: secondsAt(event) };
    lane.setPointerCapture(event.pointerId);
  });
  const stretchTo = (event) => [start.at, secondsAt(event)].sort((a, b) => a - b);
  const isDrag = (event) => Math.abs(event.clientX - start.x) > 4;
  lane.addEventListener("pointermove", (event) => {
    if (!start || !isDrag(event)) return;
    const [from, to] = stretchTo(event);
    $("#sheet").style.setProperty("--from", from / run.seconds);
    $("#sheet").style.setProperty("--to", to / run.seconds);
  });
  lane.addEventListener("pointerup", (event) => {
    if (!start) return;
    const stretch = stretchTo(event);
    const long = isDrag(event) && stretch[1] - stretch[0] >= SHORTEST_LOOP_S;
    const { at } = start;
    start = null;
    if (long) {
      loop(stretch, true);
      return seek(stretch[0]);
    }
    const outside = state.looping && (at < state.stretch[0] || at >= state.stretch[1]);
    loop(state.stretch, state.looping && !outside);
    seek(at);
  });
  lane.addEventListener("pointercancel", () => (start = null));
}

const KEYS = {
  " ": play,
  o: () => run.embedded && original(),
  u: () => {
    state.solo.clear();
    state.mute = new Set(run.embedded ? ["mix"] : []);
    mix();
    say("No solo and no mute.");
  },
  a: () => run.seeds.length > 1 && swap(),
  n: () => run.seeds.length > 1 && nextSeed(1),
  N: () => run.seeds.length > 1 && nextSeed(-1),
  l: () => loop(state.stretch ?? [0, run.seconds], !state.looping),
  "[": () => loopEnd(true),
  "]": () => loopEnd(false),
  d: nextDoubt,
  c: () => copy($("#command")),
  "+": () => zoom(1),
  "=": () => zoom(1),
  "-": () => zoom(-1),
  "?": () => $("#keys").showModal(),
  Escape: () => loop(null, false),
  Home: () => seek(state.looping ? state.stretch[0] : 0),
  End: () => seek(run.seconds - 0.1),
};

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || $("#keys").open) return;
  const { target, key } = event;
  if (target.matches("input[type=text]")) {
    if (key === "Enter" || key === "Escape") target.blur();
    return;
  }
  const isArrow = key === "ArrowLeft" || key === "ArrowRight";
  if (isArrow && target.matches("input")) return; // a level, or the choice of a seed
  // It is pressed itself; but not one of the list of keys, which may keep the focus when it closes.
  if (key === " " && target.matches("button, input") && !target.closest("dialog")) return;
  const digit = /^Digit(\d)$/.exec(event.code);
  if (isArrow) seek(player.seconds + (key === "ArrowLeft" ? -1 : 1) * (event.shiftKey ? 0.5 : 5));
  else if (digit) {
    const row = digit[1] === "0" ? "residual" : `line-${digit[1]}`;
    if (player.seed.tracks[row]) (event.shiftKey ? mute : solo)(row);
  } else {
    const action = KEYS[key] ?? KEYS[key.toLowerCase()];
    if (!action) return;
    action();
  }
  event.preventDefault();
}

function listen() {
  const on = (selector, action) => $(selector)?.addEventListener("click", action);
  on("#play", play);
  on("#loop", KEYS.l);
  on("#original", original);
  on("#swap", swap);
  on("#closer", () => zoom(1));
  on("#farther", () => zoom(-1));
  on("#help", KEYS["?"]);
  on("#close", () => $("#keys").close());
  on("#copy", () => copy($("#command")));
  on("#copy-all", () => copy($("#hear-all")));
  for (const track of tracks) {
    const { row } = track.dataset;
    on(`.track[data-row="${row}"] .solo`, () => solo(row));
    on(`.track[data-row="${row}"] .mute`, () => mute(row));
    $(".level", track).addEventListener("input", (event) => level(row, Number(event.target.value)));
    nameInput(row)?.addEventListener("input", () => rename(row));
  }
  for (const input of $$("#seeds input"))
    input.addEventListener("change", () => choose(run.seeds.find(({ seed }) => seed === Number(input.value))));
  $$(".lane").forEach(drag);
  addEventListener("keydown", pressed);
  addEventListener("resize", ticks);
}

$("#length").textContent = clock(run.seconds, 0);
$("#position").setAttribute("aria-valuemax", run.seconds.toFixed(1));
fill($(".roll .strip"), "roll");
for (const label of $$(".pitch")) label.style.top = `${100 * label.dataset.y}%`;
listen();
ticks();
mix();
show();
requestAnimationFrame(frame);
