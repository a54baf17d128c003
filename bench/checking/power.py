"""What a check will find, told before there is anything to check."""

import numpy as np

from robobench.analysis.statistics import loss_exceeds


def smallest_loss(
    count: int, tests: int, *, tolerance: float = 0.5, alpha: float = 0.05, power: float = 0.95
) -> float:
    """The smallest loss that a check will find with a given probability, where no image is gained.

    Images that are gained, as by another training, make the same net loss harder to find.

    Args:
        count: Number of images.
        tests: Number of tests in the family: cells, or methods.
        tolerance: As for `check`, in points.
        alpha: As for `check`.
        power: Probability that the loss is found.

    Returns:
        Points; NaN where not even losing every image would be found.
    """
    from scipy import stats

    def found(lost: int) -> bool:
        loss = np.zeros(count)
        loss[:lost] = 1.0
        return loss_exceeds(loss, tolerance / 100) <= alpha / 2 / tests

    if not found(count):
        return float("nan")
    few, many = 0, count  # `found` is false of the first, true of the second
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if found(middle) else (middle, many)
    # `many` images or more are lost with this probability at that share (Clopper and Pearson 1934).
    return 100 * float(stats.beta.ppf(power, many, count - many + 1))
