import math

import torch

from musisep_cli.methods.lasso.measures import Measures, Peaked, products, slopes
from tests.unit.methods.lasso.atoms import LIFT, grid, measures

GRID = grid(0.5, 0.3)
TWO = measures([[1.0, 0.7]], [[61.3, 40.1]], [[0, 1]], [[0.0, 4e-4]])
DATA = Peaked(GRID, measures([[2.0, 0.5]], [[61.0, 122.4]])).drawn()


def each_drawn(found: Measures) -> torch.Tensor:
    """Every atom by itself, of height 1, [j, f]."""
    single = torch.eye(found.heights.shape[1])
    rows = len(single)
    alone = Measures(
        single,
        found.pitches_bins.repeat(rows, 1),
        found.inharmonicity.repeat(rows, 1),
        found.players.repeat(rows, 1),
    )
    return Peaked(GRID, alone).drawn()


def test_atoms_have_norm_one() -> None:
    torch.testing.assert_close(each_drawn(TWO).norm(dim=1), torch.ones(2), atol=5e-3, rtol=0)


def test_inner_products_are_those_of_the_drawn_atoms() -> None:
    inner = products(Peaked(GRID, TWO), LIFT.matched(DATA))
    drawn = each_drawn(TWO)
    torch.testing.assert_close(inner.gram[0], drawn @ drawn.T, atol=2e-3, rtol=0)
    torch.testing.assert_close(inner.data[0], drawn @ DATA[0], atol=2e-3, rtol=0)


def test_the_objective_is_that_of_the_drawn_atoms() -> None:
    inner = products(Peaked(GRID, TWO), LIFT.matched(DATA))
    alpha = torch.tensor([0.2])
    left = DATA - Peaked(GRID, TWO).drawn()
    expected = (left.square().sum(1) - DATA.square().sum(1)) / 2 + alpha * TWO.heights.sum(1)
    torch.testing.assert_close(inner.objective(TWO.heights, alpha), expected, atol=5e-3, rtol=1e-3)


def test_slopes_are_the_derivatives_of_the_drawn_atoms() -> None:
    found = slopes(Peaked(GRID, TWO), LIFT.matched(DATA))
    steps = ((0.01, 0.0), (0.0, 1e-6))
    moved = []
    for d_pitch, d_stiff in steps:
        ends = [
            Peaked(
                GRID,
                Measures(
                    torch.eye(2),
                    (TWO.pitches_bins + sign * d_pitch).repeat(2, 1),
                    (TWO.inharmonicity + sign * d_stiff).abs().repeat(2, 1),
                    TWO.players.repeat(2, 1),
                ),
            ).drawn()
            for sign in (1, -1)
        ]
        # b cannot fall below 0: for the first atom only the difference to one side is known.
        width = d_pitch or d_stiff
        span = torch.tensor([2.0, 2.0]) if d_pitch else torch.tensor([math.inf, 2.0])
        moved.append((ends[0] - ends[1]) / (span * width)[:, None])
    numeric = torch.cat(moved)
    keep = torch.tensor([0, 1, 3])
    scale = numeric[keep].norm(dim=1)
    gram = (numeric @ numeric.T)[keep][:, keep] / scale[:, None] / scale
    torch.testing.assert_close(
        found.gram[0][keep][:, keep] / scale[:, None] / scale, gram, atol=0.02, rtol=0
    )
    torch.testing.assert_close(
        found.data[0][keep] / scale, (numeric @ DATA[0])[keep] / scale, atol=0.01, rtol=0
    )
    mixed = (each_drawn(TWO) @ numeric.T)[:, keep] / scale
    torch.testing.assert_close(found.mixed[0][:, keep] / scale, mixed, atol=0.01, rtol=0)


def test_harmonics_near_to_a_place_are_found_where_strings_are_stiff() -> None:
    stiff = measures([[1.0, 1.0]], [[30.0, 31.0]], None, [[1e-3, 1e-3]])
    near = Peaked(GRID, stiff).near
    tenth = near[0, 9]  # of the first atom's tenth harmonic
    assert 9 in tenth[0].tolist()
    assert abs(int(tenth[1, 1]) - 9) <= 1
