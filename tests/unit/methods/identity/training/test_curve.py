"""Curve: rows are added, and what will be found again is dropped."""

from dataclasses import replace
from pathlib import Path

from musisep_cli.methods.identity.training.curve import CurveRow, append, cut

ROW = CurveRow(
    step=500, cpu_s=12.5, loss=-1.25, gain_db=3.0, median_gain_db=2.5, above_no_op=0.9,
    absent_db=-21.0, right_one=0.95,
)  # fmt: skip


def test_rows_follow_their_names_and_a_cut_drops_the_later_ones(tmp_path: Path) -> None:
    path = tmp_path / "curve.csv"
    cut(path, 0)
    assert not path.exists()
    for step in (500, 1_000, 1_500):
        append(path, replace(ROW, step=step))
    cut(path, 1_000)
    names, *rows = path.read_text(encoding="utf-8").splitlines()
    assert names.startswith("step,cpu_s,loss,gain_db")
    assert rows == ["500,12.5,-1.25,3,2.5,0.9,-21,0.95", "1000,12.5,-1.25,3,2.5,0.9,-21,0.95"]
