"""How often `check` without pairs calls a tolerated loss worse; part of `interval_coverage`.

Printed alone by ``python tests/benchmarks/unpaired_alarms.py``.
"""

import numpy as np
import pandas as pd
from markdown_tables import markdown
from scipy import stats

from robobench.analysis.proportions import both_tests

IMAGES = ((100, 100), (500, 500), (2_000, 2_000), (10_000, 500), (500, 10_000), (10_000, 100))
ACCURACIES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999)
MARGINS = (0.0, 0.005, 0.02)
# Of one test in a family at half of 5 %; of one in ten, and in a hundred.
ALPHAS = (0.025, 0.0025, 0.00025)
_RARE = 1e-10
TEXT = """\
## Without pairs

Where `check` compares two accuracies, p is the larger one of two: of Student's t with a right and a wrong image added to each
side (Agresti and Caffo 2000), and of the score test (Farrington and Manning 1990). How often a loss exactly as large as
tolerated is called worse, in per cent of how often it may be: summed over all outcomes, the worst of the accuracies 5 to 99.9 %
and of tolerances of 0, 0.5 and 2 points. Columns are for one test alone, and for one in ten and in a hundred (Holm). Where the
sides differ in size, either test alone would raise too many alarms.

{table}
"""


def worst(count: int, of: int, alpha: float) -> list[float]:
    """The largest share of alarms as a share of alpha: by t alone, by the score test alone, by both."""
    found = [0.0, 0.0, 0.0]
    for accuracy in ACCURACIES:
        for margin in (m for m in MARGINS if m <= accuracy):
            sides = []
            for images, share in ((count, accuracy), (of, accuracy - margin)):
                ends = stats.binom.ppf([_RARE, 1 - _RARE], images, share)
                right = np.arange(ends[0], ends[1] + 1)
                sides.append((right, stats.binom.pmf(right, images, share)))
            (right, likely), (others, alike) = sides
            by_t, by_score = both_tests(right[:, None], count, others[None], of, margin)
            for place, p in enumerate((by_t, by_score, np.maximum(by_t, by_score))):
                alarms = float((likely[:, None] * alike[None] * (p <= alpha)).sum())
                found[place] = max(found[place], alarms / alpha)
    return found


def table_of_alarms() -> pd.DataFrame:
    """A row for each pair of numbers of images."""
    rows = []
    for count, of in IMAGES:
        row = {"images in the baseline": f"{count:,}", "in the run": f"{of:,}"}
        for alpha in ALPHAS:
            told = [f"{100 * share:.0f}" for share in worst(count, of, alpha)]
            for name, share in zip(("t", "score", "check"), told, strict=True):
                row[f"{name}, 1 of {round(ALPHAS[0] / alpha)}"] = share
        rows.append(row)
    return pd.DataFrame(rows)


if __name__ == "__main__":
    print(TEXT.format(table=markdown(table_of_alarms())))
