"""The listening page as a person uses it: in Chromium, by mouse, finger and keyboard."""

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from typer.testing import CliRunner

from musisep_cli.cli.app import app
from musisep_cli.inspection.page.write import write_page
from tests.browser.conftest import Open
from tests.runs import Run, finished_run

pytestmark = pytest.mark.browser

RATE_HZ = 16_000
CODEC_DB = -20.0
"""Largest error in dB that MP3 may leave of a sum: it is some -30 dB."""
LEAD = 960
"""Samples from the moment of Play to the first one that sounds: 0.06 s."""

# A page's own player on a clock that is not the wall's: what reaches the loudspeaker, sample for
# sample, with something done at given times.
RENDER = """
async ([seconds, steps]) => {
  const context = new OfflineAudioContext(1, seconds * run.rate, run.rate);
  const proceed = context.resume.bind(context);
  context.resume = async () => {};
  player.open(context);
  for (const [at, action] of steps)
    context.suspend(at).then(async () => {
      await ACTIONS[action]();
      while (player.waiting) await new Promise((done) => setTimeout(done, 5));
      proceed();
    });
  const sound = await context.startRendering();
  return [...sound.getChannelData(0)];
}
"""
ACTIONS = """{
  play: () => player.play(),
  pause: () => player.pause(),
  'seed 1': () => choose(run.seeds[1]),
  'seed 2': () => choose(run.seeds[2]),
  swap: () => swap(),
  'solo 1': () => solo('line-1'),
  'mute 2': () => mute('line-2'),
  'hear the original': () => mute('mix'),
  'turn the original round': () => player.rows.mix.gain.setValueAtTime(-1, context.currentTime),
  loop: () => loop([0.5, 1.0], true),
  tick: () => player.tick(),
}"""


def rendered(page: Any, seconds: float, *steps: tuple[float, str]) -> NDArray[np.float64]:
    """What the page plays within some seconds, when things are done at given times."""
    script = RENDER.replace("ACTIONS[", f"({ACTIONS})[")
    at_frames = [[round(at * RATE_HZ / 128) * 128 / RATE_HZ, action] for at, action in steps]
    return np.array(page.evaluate(script, [seconds, at_frames]))


def until(page: Any, condition: str) -> None:
    """Waits for something; the page's policy does not let Playwright itself wait in the page."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"{condition}: {page.inner_text('#status')}")


def mixture(run: Run) -> NDArray[np.float64]:
    samples, _ = soundfile.read(run.recording)
    return np.asarray(samples, np.float64)


def error_db(reference: NDArray[np.float64], estimate: NDArray[np.float64]) -> float:
    n = min(len(reference), len(estimate))
    noise = np.mean((estimate[:n] - reference[:n]) ** 2)
    return float(10 * np.log10(noise / np.mean(reference[:n] ** 2) + 1e-20))


def test_it_opens_and_tells_what_it_is(duet: Run, show: Open) -> None:
    page = show(duet.folder)
    assert page.title().startswith("duet")
    assert page.locator("h1").inner_text() == "duet"
    assert "2 instruments" in page.locator(".facts").inner_text()
    assert page.locator(".track").count() == 4
    assert page.locator(".notes:not([hidden]) .line").count() == 2


def test_it_plays_in_real_time_and_stops(duet: Run, show: Open) -> None:
    page = show(duet.folder)
    page.keyboard.press("l")  # it would end before a busy machine has looked
    page.click("#play")
    until(page, "player.anchor && player.seconds > 0.2")
    listen = """() => {
      const analyser = new AnalyserNode(player.context, { fftSize: 2048 });
      player.master.connect(analyser);
      const samples = new Float32Array(2048);
      return new Promise((done) => setTimeout(() => {
        analyser.getFloatTimeDomainData(samples);
        done(Math.hypot(...samples));
      }, 250));
    }"""
    assert page.evaluate(listen) > 0.1
    assert page.get_attribute("#play", "aria-label") == "Pause"
    page.keyboard.press("Escape")
    page.click("#play")
    assert page.evaluate(listen) == 0
    stopped = page.evaluate("player.seconds")
    page.wait_for_timeout(150)
    assert page.evaluate("player.seconds") == stopped


def test_all_tracks_together_are_the_recording(duet: Run, show: Open) -> None:
    found = rendered(show(duet.folder), 2.0, (0, "play"))
    assert not found[:LEAD].any()
    assert error_db(mixture(duet), found[LEAD:]) < CODEC_DB


def test_the_original_joins_in_step_and_cancels_the_tracks(duet: Run, show: Open) -> None:
    """Sample for sample: a single one of delay would leave a tenth of the sound."""
    steps = ((0, "play"), (0.5, "hear the original"), (1.0, "turn the original round"))
    found = rendered(show(duet.folder), 2.0, *steps)
    reference = mixture(duet)[RATE_HZ:]
    left = found[LEAD + RATE_HZ :]
    both = found[LEAD + RATE_HZ * 3 // 4 :][: RATE_HZ // 8]
    np.testing.assert_allclose(both.std() / found[LEAD:][: RATE_HZ // 2].std(), 2, rtol=0.3)
    assert 10 * np.log10(np.mean(left**2) / np.mean(reference**2)) < CODEC_DB


@pytest.mark.parametrize(("action", "heard", "silent"), [("solo 1", 0, 1), ("mute 2", 0, 1)])
def test_solo_and_mute_change_what_is_heard(
    duet: Run, show: Open, action: str, heard: int, silent: int
) -> None:
    found = rendered(show(duet.folder), 2.0, (0, "play"), (0.5, action))[LEAD:]
    later = slice(RATE_HZ * 6 // 10, RATE_HZ * 19 // 10)
    own, other = duet.truth[heard][later], duet.truth[silent][later]
    levels = [abs(found[later] @ line) / (line @ line) for line in (own, other)]
    np.testing.assert_allclose(levels, [1, 0], atol=0.1)


def test_seeds_switch_in_place_without_a_click(duet: Run, show: Open) -> None:
    """All seeds add up to the recording, so it goes on as if nothing had happened."""
    page = show(duet.folder)
    found = rendered(page, 2.5, (0, "play"), (0.7, "seed 1"), (1.2, "swap"), (1.7, "seed 2"))
    reference = mixture(duet)[: len(found) - LEAD]
    assert error_db(reference, found[LEAD:]) < CODEC_DB
    error = np.abs(found[LEAD:] - reference)
    undisturbed = error[RATE_HZ // 10 : RATE_HZ // 2].max()
    assert error[RATE_HZ // 10 :].max() < 4 * undisturbed
    assert page.evaluate("player.seed.seed") == 2


def test_a_row_is_the_same_instrument_in_every_seed(duet: Run, show: Open) -> None:
    """Seed 1 counts its instruments the other way round."""
    page = show(duet.folder)
    found = rendered(page, 1.8, (0, "play"), (0.1, "solo 1"), (0.8, "seed 1"))[LEAD:]
    later = slice(RATE_HZ, RATE_HZ * 16 // 10)
    assert error_db(duet.truth[0][later], found[later]) < CODEC_DB
    assert page.inner_text("#command").endswith("--seed 1")


def test_a_loop_repeats_to_the_sample(duet: Run, show: Open) -> None:
    steps = ((0, "loop"), (0.008, "play"), (0.1, "tick"), (1.0, "tick"))
    found = rendered(show(duet.folder), 2.5, *steps)
    first, period = 128 + LEAD, RATE_HZ // 2
    turns = [found[first + n * period :][:period] for n in range(1, 4)]
    np.testing.assert_allclose(turns[1], turns[0], atol=2e-3)
    middle = slice(RATE_HZ // 20, -RATE_HZ // 20)
    assert error_db(mixture(duet)[period : 2 * period][middle], turns[0][middle]) < CODEC_DB
    assert np.abs(found[first + period - 3 : first + period + 3]).max() < 0.02  # no click


def test_only_what_plays_is_decoded(duet: Run, show: Open) -> None:
    page = show(duet.folder)
    rendered(page, 1.0, (0, "solo 1"), (0.1, "play"), (0.5, "seed 1"))
    assert page.evaluate("[...player.buffers.keys()].sort()") == ["0-1", "1-2"]


def test_the_keyboard_does_it_all(duet: Run, show: Open) -> None:
    page = show(duet.folder)
    press = page.keyboard.press
    press("1")
    assert page.get_attribute("[data-row=line-1] .solo", "aria-pressed") == "true"
    press("1")
    press("Shift+Digit2")
    assert page.get_attribute("[data-row=line-2] .mute", "aria-pressed") == "true"
    press("u")
    press("o")
    assert page.get_attribute("#original", "aria-pressed") == "true"
    press("o")
    press("ArrowRight")
    press("Home")
    for key in ("Shift+ArrowRight", "[", "Shift+ArrowRight", "Shift+ArrowRight", "]"):
        press(key)
    assert page.evaluate("state.stretch") == pytest.approx([0.5, 1.5])
    assert page.get_attribute("#loop", "aria-pressed") == "true"
    press("l")
    assert page.get_attribute("#loop", "aria-pressed") == "false"
    press("Escape")
    assert page.evaluate("state.stretch") is None
    press("n")
    assert page.evaluate("player.seed.seed") == 1
    press("a")
    assert page.evaluate("player.seed.seed") == 0
    press("d")
    assert page.evaluate("player.seconds") == page.evaluate("run.seeds[0].doubts[0][0]")
    press("+")
    assert page.evaluate("document.querySelector('#tracks').scrollWidth") > 1400
    press("?")
    assert page.locator("#keys").is_visible()
    press("Escape")
    assert not page.locator("#keys").is_visible()
    press("l")
    press(" ")
    until(page, "player.playing")


def test_a_click_seeks_and_a_drag_makes_a_loop(duet: Run, show: Open) -> None:
    page = show(duet.folder)
    box = page.locator("#position").bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.click(box["x"] + box["width"] / 2, y)
    assert page.evaluate("player.seconds") == pytest.approx(1.5, abs=0.02)
    page.mouse.move(box["x"] + box["width"] / 3, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 2 / 3, y)
    page.mouse.up()
    assert page.evaluate("state.stretch") == pytest.approx([1.0, 2.0], abs=0.02)
    assert page.evaluate("player.seconds") == pytest.approx(1.0, abs=0.02)


def test_marks_lead_to_where_seeds_differ(duet: Run, show: Open) -> None:
    page = show(duet.folder)
    marks = page.locator(".doubt")
    assert marks.count() == 1
    assert "they agree on" in marks.first.get_attribute("aria-label")
    marks.first.click()
    assert 1.5 < page.evaluate("player.seconds") < 2.5


def test_a_screen_of_360_pixels(duet: Run, show: Open) -> None:
    size = {"width": 360, "height": 740}
    page = show(duet.folder, viewport=size, color_scheme="dark", has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    for selector in ("#play", "#loop", "#original", "#swap", ".solo", ".mute", "#copy"):
        box = page.locator(selector).first.bounding_box()
        assert box["x"] >= 0, selector
        assert box["x"] + box["width"] <= 360, selector
        assert min(box["width"], box["height"]) >= 24, selector
    assert page.locator("#position").bounding_box()["width"] > 330
    page.keyboard.press("l")
    page.tap("#play")
    until(page, "player.seconds > 0")


def test_light_and_dark_differ_and_can_be_read(duet: Run, show: Open) -> None:
    grounds = {}
    for scheme in ("light", "dark"):
        page = show(duet.folder, color_scheme=scheme)
        style = "getComputedStyle(document.documentElement)"
        grounds[scheme] = page.evaluate(f"[{style}.backgroundColor, {style}.color]")
    light, dark = (np.array([_brightness(c) for c in grounds[s]]) for s in ("light", "dark"))
    assert light[0] - light[1] > 0.6
    assert dark[1] - dark[0] > 0.6


def _brightness(colour: str) -> float:
    return float(np.mean([int(part) for part in colour[4:-1].split(",")]) / 255)


def test_every_control_has_a_name(duet: Run, show: Open) -> None:
    page = show(duet.folder)
    unnamed = page.evaluate("""() => [...document.querySelectorAll('button, input, [role=slider]')]
      .filter((each) => !(each.ariaLabel || each.textContent.trim() || each.closest('label')))
      .map((each) => each.outerHTML)""")
    assert unnamed == []


def test_the_command_keeps_what_is_heard(
    tmp_path: Path, show: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names are typed on the page; the command is run as it stands there."""
    monkeypatch.setattr(
        "musisep_cli.pictures.write_spectrogram", lambda path, *_, **__: path.touch()
    )
    run = finished_run(tmp_path, track="it's 1 duet", duration_s=1.0)
    write_page(run.folder, all_seeds=True)
    page = show(run.folder)
    page.fill("[data-row=line-1] input", "flûte d'or")
    page.fill("[data-row=line-2] input", "clarinet")
    page.keyboard.press("Enter")
    page.keyboard.press("n")
    words = shlex.split(page.inner_text("#command"))
    assert words[:2] == ["musisep", "choose"]
    result = CliRunner().invoke(app, words[1:])
    assert result.exit_code == 0, result.output
    manifest = json.loads((run.folder / "manifest.json").read_text())
    assert (manifest["chosen_seed"], manifest["chosen_by"]) == (1, "chosen by hand")
    samples, _ = soundfile.read(run.folder / "flûte d'or.wav")
    early = slice(0, RATE_HZ // 2)
    np.testing.assert_allclose(samples[early], run.truth[0][early], atol=1e-6)
    again = show(run.folder)
    assert again.locator("#seeds input").count() == 3
    assert again.input_value("[data-row=line-2] input") == "flûte d'or"


def test_hostile_names_stay_text(tmp_path: Path, show: Open) -> None:
    name = "\"><img src=x onerror=alert(1)> 'é' & 🎻"
    run = finished_run(tmp_path, track=name, n_seeds=1, duration_s=0.5)
    write_page(run.folder)
    page = show(run.folder)
    assert page.locator("h1").inner_text() == name
    assert page.locator("img").count() == 0
    assert shlex.split(page.inner_text("#command"))[2] == str(run.folder)
    page.fill("[data-row=line-1] input", "<b>bold</b>")
    assert page.locator("b").count() == 0
    assert "cannot be the name" in page.inner_text("#status")
    assert page.locator(".legend .called").first.inner_text() == "<b>bold</b>"


def test_a_page_that_is_too_large_plays_the_files_beside_it(tmp_path: Path, show: Open) -> None:
    run = finished_run(tmp_path, n_seeds=1, duration_s=1.0)
    path = write_page(run.folder, largest=10_000)
    assert path.stat().st_size < 300_000
    names = ("instrument-1.wav", "instrument-2.wav", "residual.wav")
    page = show(run.folder, allowed=names)
    assert page.locator("#original").count() == 0
    page.click("#play")
    until(page, "[...player.files.values()].every((file) => file.currentTime > 0.1)")
    assert page.evaluate("[...player.files.values()].map((file) => file.error)") == [None] * 3
    page.keyboard.press("1")
    assert page.evaluate("[...player.files.values()].map((file) => file.volume)") == [1, 0, 0]


def test_the_policy_forbids_every_request(duet: Run, browser: Any) -> None:
    context = browser.new_context()
    page = context.new_page()
    answered: list[str] = []
    page.on("response", lambda response: answered.append(response.url))
    page_url = (duet.folder / "listen.html").as_uri()
    page.goto(page_url)
    refused = page.evaluate("""async () => {
      const refused = [];
      const note = (event) => refused.push(event.effectiveDirective);
      addEventListener('securitypolicyviolation', note);
      for (const address of ['https://example.org/', 'file:///etc/hostname'])
        await fetch(address).catch(() => {});
      new Image().src = 'https://example.org/a.png';
      const add = (tag, what) =>
        document.body.append(Object.assign(document.createElement(tag), what));
      add('script', { textContent: 'alert(1)' });
      add('iframe', { src: 'https://example.org/' });
      await new Promise((done) => setTimeout(done, 200));
      return refused;
    }""")
    context.close()
    assert sorted(set(refused)) == ["connect-src", "frame-src", "img-src", "script-src-elem"]
    assert [url for url in answered if not url.startswith("data:")] == [page_url]
