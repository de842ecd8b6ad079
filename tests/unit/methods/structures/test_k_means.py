import numpy as np

from musisep_cli.methods.structures.detector import together
from musisep_cli.methods.structures.harmonic_structure import Structures
from musisep_cli.methods.structures.k_means import k_means
from tests.unit.methods.structures.made import tones_like

BRIGHT, DARK = np.array([0.0, -3, -3, -6, -6, -9]), np.array([0.0, -20, -30, -40, -45, -50])


def duet(n_frames: int = 40, noise_db: float = 3.0) -> tuple[Structures, np.ndarray]:
    """Tones of two instruments, two in every frame, and who plays them."""
    tones = together(
        [
            tones_like(level, n_tones=n_frames, noise_db=noise_db, seed=seed)
            for seed, level in enumerate((BRIGHT, DARK))
        ]
    )
    order = np.argsort(tones.frame, kind="stable")
    return tones[order], np.repeat([0, 1], n_frames)[order]


def test_timbres_are_told_apart() -> None:
    tones, truth = duet()
    labels = k_means(tones, 2)
    same = (labels == truth).mean()
    assert same in (0, 1)


def test_tones_of_one_frame_never_share_a_cluster() -> None:
    tones, _ = duet(noise_db=20.0)
    labels = k_means(tones, 2).reshape(-1, 2)
    assert (labels[:, 0] != labels[:, 1]).all()


def test_it_has_no_chance_in_it() -> None:
    tones, _ = duet(noise_db=15.0)
    np.testing.assert_array_equal(k_means(tones, 2), k_means(tones, 2))


def test_few_tones_or_none() -> None:
    tones, _ = duet()
    assert len(k_means(tones[np.arange(0)], 3)) == 0
    assert len(k_means(tones[np.arange(1)], 3)) == 1
