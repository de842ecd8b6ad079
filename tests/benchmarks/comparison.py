"""Quality of every preset on every shared recording: ``python -m tests.benchmarks.comparison``.

Each separation is one run of the command line in a process of its own, as a user would start it,
so that its time and memory are what a user sees. Rows are kept in a file as soon as they are made;
what the file holds already is not made again, and the page's tables are written from all of it.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import typer

from musisep_cli.evaluation.metrics import array_blocks, best_assignment, bss_eval_v2
from tests.benchmarks import quality
from tests.benchmarks.quality import DATA, Stems, references

PAGE = Path(__file__).resolve().parents[2] / "docs" / "comparison.md"
PRESETS = ("standard", "draft", "structures", "lasso", "pursuit", "pursuit --no-decode")
"""Presets, with flags, that finish in minutes on a CPU and take any number of instruments."""
CASES = (
    *quality.CASES,
    "choir-2",
    "urmp-viola-doublebass",
    "gm-viola-contrabass",
    "gm-two-flutes",
    "gm-wind-quartet",
    "gm-string-quartet",
    "gm-oboe-drums",
    "gm-oboe-piano-chords",
    "gm-flute-guitar-chords",
    "piano-violin-16k",
)


@dataclass(frozen=True)
class Row:
    """How one preset did on one recording; scores in dB, in the order of the references.

    Of an instrument whose stem is silent there are none.
    """

    case: str
    preset: str
    duration_s: float
    instruments: tuple[str, ...]
    sdr_db: tuple[float | None, ...]
    sir_db: tuple[float | None, ...]
    sar_db: tuple[float | None, ...]
    wall_s: float
    cpu_s: float
    memory_gb: float
    commit: str


def main(
    rows: Annotated[Path, typer.Argument(help="File with the rows, all of one duration.")],
    cases: str = ",".join(CASES),
    presets: str = ",".join(PRESETS),
    duration: Annotated[float | None, typer.Option(help="Only the first seconds.")] = None,
) -> None:
    """Separate and score what the file of rows lacks; then write docs/comparison.md's tables."""
    commit = _commit()
    known = (
        [Row(**json.loads(line)) for line in rows.read_text().splitlines()] if rows.exists() else []
    )
    done = {(row.case, row.preset, row.commit) for row in known}
    for case in cases.split(","):
        for preset in presets.split(","):
            if (case, preset, commit) not in done:
                row = compared(case, preset, duration, commit)
                known.append(row)
                with rows.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(row)) + "\n")
                print(f"{case}, {preset}: {scores(row)}", flush=True)
    PAGE.write_text(page(known, PAGE.read_text("utf-8")), "utf-8")


def compared(case: str, preset: str, duration_s: float | None, commit: str) -> Row:
    """Separate one recording by the command line and score its stems."""
    mix, reference = references(case, duration_s)
    names = json.loads((DATA / case / "meta.json").read_text("utf-8"))["stems"]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "musisep_cli", "separate", str(DATA / case / "mix.flac")]
        command += ["-n", str(len(reference)), "--preset", *preset.split(), "-o", folder]
        command += ["--duration", str(duration_s)] if duration_s else []
        started = time.monotonic()
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as process:
            assert process.stderr is not None
            said = process.stderr.read().decode()
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        wall_s = time.monotonic() - started
        if process.returncode != 0:
            raise SystemExit(f"{' '.join(command)} failed:\n{said}")
        stems = _stems(Path(folder), len(reference))
    pairs = bss_eval_v2(array_blocks(reference=reference, estimate=stems))
    best = dict(best_assignment(pairs))
    sdr_db, sir_db, sar_db = (
        tuple(
            round(float(values[i, best[i]]), 2) if i in best else None
            for i in range(len(reference))
        )
        for values in (pairs.sdr_db, pairs.sir_db, pairs.sar_db)
    )
    return Row(
        case=case,
        preset=preset,
        duration_s=mix.duration_s,
        instruments=tuple(Path(name).stem for name in names),
        sdr_db=sdr_db,
        sir_db=sir_db,
        sar_db=sar_db,
        wall_s=wall_s,
        cpu_s=used.ru_utime + used.ru_stime,
        memory_gb=used.ru_maxrss / 1e6,
        commit=commit,
    )


def _stems(folder: Path, n_stems: int) -> Stems:
    """The stems ``[i, t]`` of the only run in a folder."""
    manifest = next(folder.rglob("manifest.json"))
    paths = sorted(manifest.parent.glob("instrument-*.wav"))
    assert len(paths) == n_stems
    return np.stack([soundfile.read(path)[0] for path in paths])


def _commit() -> str:
    """The commit of the working tree, short."""
    command = ("git", "rev-parse", "--short", "HEAD")
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def scores(row: Row) -> str:
    """Means of a row."""
    means = [_mean(values) for values in (row.sdr_db, row.sir_db, row.sar_db)]
    return (
        f"{' / '.join(means)} dB, "
        f"{row.wall_s / row.duration_s:.1f} x length, {row.memory_gb:.1f} GB"
    )


def _mean(values: Sequence[float | None]) -> str:
    """The mean, marked where an instrument has no stem and is left out."""
    known = [value for value in values if value is not None]
    if not known:
        return "silent"
    return f"{np.mean(known):.1f}{'*' if len(known) < len(values) else ''}"


def page(rows: Sequence[Row], text: str) -> str:
    """Return the text of the page with its tables made anew: the newest row of each preset."""
    newest = {(row.case, row.preset): row for row in rows}
    presets = [name for name in PRESETS if any(preset == name for _, preset in newest)]
    by_case = {
        case: {preset: newest[case, preset] for preset in presets if (case, preset) in newest}
        for case in CASES
        if any(known == case for known, _ in newest)
    }
    commits = ", ".join(dict.fromkeys(row.commit for row in newest.values()))
    tables = {
        "commits": [f"Made at {commits}."],
        "means": _means(by_case, presets),
        "instruments": _instruments(by_case, presets),
        "costs": _costs(newest.values(), presets),
    }
    for name, lines in tables.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, _, rest = text.partition(begin)
        after = rest.partition(end)[2]
        text = before + begin + "\n".join(lines) + "\n" + end + after
    return text


def _means(by_case: dict[str, dict[str, Row]], presets: Sequence[str]) -> Iterable[str]:
    """Mean SDR and SIR of every case."""
    yield f"| recording | {' | '.join(presets)} |"
    yield "| --- |" + " --- |" * len(presets)
    for case, of_preset in by_case.items():
        cells = [
            f"{_mean(of_preset[p].sdr_db)} / {_mean(of_preset[p].sir_db)}"
            if p in of_preset
            else "-"
            for p in presets
        ]
        yield f"| {case} | {' | '.join(cells)} |"


def _instruments(by_case: dict[str, dict[str, Row]], presets: Sequence[str]) -> Iterable[str]:
    """SDR, SIR and SAR of every instrument of every case."""
    yield f"| recording | instrument | {' | '.join(presets)} |"
    yield "| --- | --- |" + " --- |" * len(presets)
    for case, of_preset in by_case.items():
        names = next(iter(of_preset.values())).instruments
        for number, name in enumerate(names):
            cells = [_cell(of_preset[p], number) if p in of_preset else "-" for p in presets]
            yield f"| {case if number == 0 else ''} | {name} | {' | '.join(cells)} |"


def _cell(row: Row, number: int) -> str:
    """SDR / SIR / SAR of one instrument."""
    if row.sdr_db[number] is None:
        return "silent"
    return " / ".join(f"{each[number]:.1f}" for each in (row.sdr_db, row.sir_db, row.sar_db))


def _costs(rows: Iterable[Row], presets: Sequence[str]) -> Iterable[str]:
    """Time over length, CPU seconds per second and memory by the number of instruments."""
    known = list(rows)
    numbers = sorted({len(row.instruments) for row in known})
    yield f"| instruments | {' | '.join(presets)} |"
    yield "| --- |" + " --- |" * len(presets)
    for number in numbers:
        cells = []
        for preset in presets:
            chosen = [r for r in known if r.preset == preset and len(r.instruments) == number]
            seconds = sum(row.duration_s for row in chosen)
            if not chosen:
                cells.append("-")
                continue
            wall = sum(row.wall_s for row in chosen) / seconds
            cpu = sum(row.cpu_s for row in chosen) / seconds
            cells.append(f"{wall:.1f} / {cpu:.1f} / {max(r.memory_gb for r in chosen):.1f} GB")
        yield f"| {number} | {' | '.join(cells)} |"


if __name__ == "__main__":
    typer.run(main)
