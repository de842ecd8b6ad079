"""Writing of a page: one file, the same bytes every time, no request, and nothing left behind."""

import base64
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musisep_cli.errors import InputError
from musisep_cli.inspection.page.write import holds_all_seeds, write_page
from tests.runs import Run, finished_run


class Elements(HTMLParser):
    """All elements of a page, with their attributes, and the text of the last one of each kind."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.found:
            self.texts.append((self.found[-1][0], data))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def duet(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with three seeds. Not to be changed."""
    return finished_run(tmp_path_factory.mktemp("duet"), duration_s=1.0)


@pytest.fixture(scope="module")
def page(duet: Run) -> str:
    return write_page(duet.folder, all_seeds=True).read_text("utf-8")


def test_the_sounds_in_the_page_add_up_to_the_recording(duet: Run, page: str) -> None:
    found = dict(re.findall(r'data-sound="([\w-]+)">([\w+/=]+)<', page))
    assert len(found) == 3 * 3 + 1
    sounds = {
        key: soundfile.read(io.BytesIO(base64.b64decode(text)))[0] for key, text in found.items()
    }
    recording, _ = soundfile.read(duet.recording)
    for seed in range(3):
        total = sum(sounds[f"{seed}-{part}"] for part in ("1", "2", "residual"))
        assert np.std(total - recording) < 0.1 * np.std(recording)
    assert np.std(sounds["mix"] - recording) < 0.1 * np.std(recording)


def test_the_policy_knows_script_and_style_by_their_hashes(page: str) -> None:
    elements = Elements(page)
    [policy] = [each["content"] for each in elements.named("meta") if "http-equiv" in each]
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    for tag in ("script", "style"):
        [*_, text] = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.S)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    for word in ("unsafe", "http:", "https:", "*", "blob:", "connect", "media"):
        assert word not in policy


def test_nothing_in_the_page_names_another_place(page: str) -> None:
    elements = Elements(page)
    addresses = [
        value
        for _, attributes in elements.found
        for name, value in attributes.items()
        if name in ("src", "href", "action", "data", "poster", "srcset")
    ]
    assert all(value and value.startswith("data:") for value in addresses)
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)[\w.]+", page) == []
    assert "style=" not in re.sub(r"<(script|style).*?</\1>", "", page, flags=re.S)


def test_the_same_run_gives_the_same_bytes_and_nothing_else(duet: Run, page: str) -> None:
    before = {path.name for path in duet.folder.iterdir()}
    assert write_page(duet.folder, all_seeds=True).read_text("utf-8") == page
    assert {path.name for path in duet.folder.iterdir()} == before


def test_a_page_tells_whether_it_holds_all_seeds(tmp_path: Path) -> None:
    run = finished_run(tmp_path, n_seeds=2, duration_s=0.5)
    assert not holds_all_seeds(run.folder / "listen.html")
    write_page(run.folder)
    assert not holds_all_seeds(run.folder / "listen.html")
    write_page(run.folder, all_seeds=True)
    assert holds_all_seeds(run.folder / "listen.html")


def test_hostile_names_do_not_break_out(tmp_path: Path) -> None:
    """Of the recording, in the page's text; of an instrument, in its script's data too."""
    plain = finished_run(tmp_path / "plain", n_seeds=1, duration_s=0.5)
    name = "<script>alert(1) \"'><img src=x onerror=alert(2)> & 🎻 {{ 7*7 }}"
    run = finished_run(tmp_path / "hostile", track=name, n_seeds=1, duration_s=0.5)
    instrument = "<!--<script>'🎻"
    manifest = run.folder / "manifest.json"
    manifest.write_text(manifest.read_text("utf-8").replace("instrument-1", instrument), "utf-8")
    (run.folder / "instrument-1.wav").rename(run.folder / f"{instrument}.wav")
    pages = [Elements(write_page(each.folder).read_text("utf-8")) for each in (plain, run)]
    tags = [[tag for tag, _ in page.found] for page in pages]
    assert tags[0] == tags[1]
    assert "".join(data for tag, data in pages[1].texts if tag == "h1").strip() == name
    assert instrument in [each.get("value") for each in pages[1].named("input")]
    [data] = [text for tag, text in pages[1].texts if tag == "script" and text.startswith("{")]
    assert json.loads(data)["names"] == [instrument, "instrument-2"]


def test_a_page_of_limited_size_plays_the_files(tmp_path: Path) -> None:
    run = finished_run(tmp_path, track="é #1 %", n_seeds=1, duration_s=0.5)
    page = write_page(run.folder, largest=1000).read_text("utf-8")
    assert 'type="text/plain"' not in page
    assert "media-src &#39;self&#39; file:" in page
    assert '"file": "instrument-1.wav"' in page
    assert not list(run.folder.glob(".musisep-*"))


def test_stems_that_lie_elsewhere_are_found_from_the_page(tmp_path: Path) -> None:
    run = finished_run(tmp_path, template="{stem}/{track}.{ext}", track="a b", n_seeds=1)
    page = write_page(run.folder, largest=1000).read_text("utf-8")
    assert '"file": "../instrument-1/a%20b.wav"' in page


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        write_page(tmp_path)
