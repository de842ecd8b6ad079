import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musisep_cli.methods.structures.nk_clustering import (
    NkConfig,
    clusters,
    eigenvalues,
    neighbours,
)

CONFIG = NkConfig()


def blobs(*sizes: int, distance: float = 30.0, seed: int = 0) -> np.ndarray:
    """Normal clouds in 20 dimensions, [p, d]."""
    generator = np.random.default_rng(seed)
    return np.concatenate(
        [
            generator.normal(size=(size, 20)) + distance * np.eye(20)[number]
            for number, size in enumerate(sizes)
        ]
    )


@given(seed=st.integers(0, 20))
@settings(max_examples=5)
def test_two_far_clouds_are_two_clusters_in_any_order(seed: int) -> None:
    points = blobs(60, 50, seed=seed)
    order = np.random.default_rng(seed).permutation(len(points))
    labels = clusters(points[order], 2, CONFIG)
    assert labels is not None
    truth = (np.arange(110) >= 60)[order]
    kept = labels >= 0
    assert kept.mean() > 0.5
    # The larger cluster comes first, whatever the order.
    sizes = np.bincount(labels[kept])
    assert sizes[0] >= sizes[1]
    assert len({(bool(t), int(c)) for t, c in zip(truth[kept], labels[kept], strict=True)}) == 2


def test_three_clouds_are_three_clusters() -> None:
    labels = clusters(blobs(40, 40, 40), 3, CONFIG)
    assert labels is not None
    assert set(labels) - {-1} == {0, 1, 2}


def test_outliers_are_noise() -> None:
    points = np.concatenate([blobs(50, 50), 300 * np.random.default_rng(1).normal(size=(3, 20))])
    labels = clusters(points, 2, CONFIG)
    assert labels is not None
    assert labels[-3:].tolist() == [-1, -1, -1]


def test_one_cloud_is_not_two_clusters() -> None:
    assert clusters(blobs(100), 2, CONFIG) is None


@pytest.mark.parametrize("n_points", [0, 1, 2, 3])
def test_few_points_are_no_clusters(n_points: int) -> None:
    assert clusters(np.zeros((n_points, 20)), 2, CONFIG) is None


def test_points_that_are_all_the_same_do_not_break_it() -> None:
    assert clusters(np.ones((20, 20)), 2, CONFIG) is None


@given(seed=st.integers(0, 99), n_neighbours=st.integers(1, 6))
def test_neighbours_have_the_least_mutual_neighbourhood_value(seed: int, n_neighbours: int) -> None:
    points = np.random.default_rng(seed).normal(size=(12, 3))
    distance = np.square(points[:, None] - points).sum(-1)
    nearest = np.argsort(distance, 1)
    rank = np.argsort(nearest, 1)
    value = rank + rank.T
    found = neighbours(nearest, n_neighbours)
    for i, row in enumerate(found):
        others = [j for j in range(12) if j != i and j not in row]
        assert i not in row
        assert value[i, row].max() <= value[i, others].min()


@given(seed=st.integers(0, 99), n_points=st.integers(2, 30))
def test_eigenvalues_are_those_of_the_covariance(seed: int, n_points: int) -> None:
    groups = np.random.default_rng(seed).normal(size=(3, n_points, 20))
    expected = [np.linalg.eigvalsh(np.cov(group.T, bias=True)) for group in groups]
    np.testing.assert_allclose(eigenvalues(groups), expected, atol=1e-10)


def test_the_work_can_be_ended() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        clusters(blobs(30, 30), 2, CONFIG, stop)
