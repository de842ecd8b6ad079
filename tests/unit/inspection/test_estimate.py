"""Estimate: a separation that does not fit into memory is warned of."""

from dataclasses import replace

from musisep_cli.inspection.estimate import Estimate

FITS = Estimate(
    preset="quick",
    device="cpu",
    n_instruments=2,
    n_iterations=10,
    may_stop=False,
    step_s=0.1,
    n_frames=100,
    frame_s=0.01,
    total_s=2.0,
    memory_bytes=1_000_000_000,
    gpu_memory_bytes=None,
    machine_memory_bytes=2_000_000_000,
)


def test_what_fits_or_is_not_known_is_no_warning() -> None:
    assert FITS.warnings() == []
    assert replace(FITS, memory_bytes=None).warnings() == []
    assert replace(FITS, machine_memory_bytes=None).warnings() == []


def test_what_does_not_fit_is_told_in_gigabytes() -> None:
    [told] = replace(FITS, memory_bytes=3_000_000_000).warnings()
    assert "needs about 3.0 GB of memory, and this machine has 2.0 GB" in told
