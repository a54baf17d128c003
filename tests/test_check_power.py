"""What `freeze` foretells of a check holds."""

import numpy as np
import pytest

from robobench.analysis.statistics import loss_exceeds
from robobench.checking.power import smallest_loss


@pytest.mark.parametrize(("count", "tests"), [(200, 1), (1500, 20)])
def test_a_loss_is_found_as_often_as_foretold(count, tests):
    loss, draws = smallest_loss(count, tests) / 100, 400
    rng = np.random.default_rng(0)
    found = sum(
        loss_exceeds((rng.random(count) < loss).astype(float), 0.005) <= 0.05 / 2 / tests
        for _ in range(draws)
    )
    assert 0.95 - 3 * 0.011 <= found / draws <= 0.95 + 3 * 0.011


def test_where_nothing_would_be_found_there_is_no_number():
    assert np.isnan(smallest_loss(2, 20))
