"""A browser, and pages in it that fail a test if they complain or ask for anything."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from musisep_cli.inspection.page.write import write_page
from tests.runs import Run, finished_run

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--mute-audio"]
WIDE = {"width": 1280, "height": 800}

Open = Callable[..., Any]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, driven by Playwright."""
    api = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not there: pip install -e '.[browser]'"
    )
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def duet(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with three seeds, all of them in its page."""
    run = finished_run(tmp_path_factory.mktemp("duet"))
    write_page(run.folder, all_seeds=True)
    return run


@pytest.fixture
def show(browser: Any) -> Iterator[Open]:
    """Opens the page of a run; at the end of the test nothing must have been asked or said."""
    contexts, said, asked = [], [], []

    def opened(folder: Path, *, allowed: tuple[str, ...] = (), **options: Any) -> Any:
        contexts.append(browser.new_context(**{"viewport": WIDE, **options}))
        page = contexts[-1].new_page()
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(str(error)))
        own = (folder / "listen.html").as_uri()
        files = {own, *((folder / name).as_uri() for name in allowed)}
        page.on("request", lambda request: _note(request.url, files, asked))
        page.goto(own)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert said == []
    assert asked == []


def _note(url: str, files: set[str], asked: list[str]) -> None:
    if url not in files and not url.startswith("data:"):
        asked.append(url)
