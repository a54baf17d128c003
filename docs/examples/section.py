"""A section of the report in one file.

robobench report --plugin section.py runs/shapes10
"""

import pandas as pd

import robobench
from robobench.reports.blocks import Table, Value


@robobench.section("hardest", order=35, title="The hardest cell of each method")
def hardest(run):
    """The cell in which each method is least accurate."""
    frame = run.frame[run.frame["metric"] == "accuracy"]
    worst = frame.loc[frame.groupby("method", sort=False)["value"].idxmin()]
    cells = [f"{row.corruption} {row.level:g}" for row in worst.itertuples()]
    lowest = [Value(row.value, row.ci_low, row.ci_high) for row in worst.itertuples()]
    table = pd.DataFrame({"cell": cells, "accuracy": lowest}, index=list(worst["method"]))
    table.columns.name = "method"
    return [Table("hardest", "Lowest accuracy of any cell, in percent.", table)]
