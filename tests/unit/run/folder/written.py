"""Seeds written into a folder, without a separation."""

from pathlib import Path

from musisep_cli.run.folder import make_seed
from musisep_cli.run.folder.layout import RunFolder
from tests.small_method import CrossoverMethod
from tests.unit.run.made import RATE_HZ, result

RUN = "hash of the run"


def written(out: Path, *seeds: int, run: str = RUN, **more: float) -> RunFolder:
    """A folder that holds seeds."""
    folder = RunFolder(out=out, track="mix")
    for seed in seeds:
        folder.seed(seed).mkdir(parents=True, exist_ok=True)
        made = result(seed=seed, dictionary=True, **more)  # type: ignore[arg-type]
        make_seed.write(folder, made, RATE_HZ, run, {"config": {}}, CrossoverMethod())
    return folder
