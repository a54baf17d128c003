"""A reproduction's findings in sentences: where ours differs, and whether a claimed gain holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from robobench.reports.blocks import Text, Value
from robobench.reproductions.published import difference_name

if TYPE_CHECKING:
    import pandas as pd

    from robobench.reproductions.measuring import Measured


def comparison(measured: Measured) -> Text | None:
    """How many published numbers lie within our intervals, and the largest deviations."""
    reproduction = measured.reproduction
    labels = {row.name: row.label for row in reproduction.rows}
    columns = [column.name for column in reproduction.columns]
    table = measured.table
    known = table[
        table["published"].notna() & table["row"].isin(labels) & table["column"].isin(columns)
    ]
    if known.empty:
        return None
    inside = known["published"].between(known["ci_low"], known["ci_high"])
    above, below = known["ci_low"] > known["published"], known["ci_high"] < known["published"]
    text = (
        f"Of {len(known)} published numbers, {int(inside.sum())} lie within our 95 % interval, "
        f"{int(above.sum())} below it (ours are higher) and {int(below.sum())} above it."
    )
    items = []
    unit: Any = "level" if reproduction.of_levels else "percent"
    for beyond, word in ((below, "shortfall"), (above, "excess")):
        if beyond.any():
            away = (known["ours"] - known["published"]).abs().where(beyond, -1.0)
            row = known.iloc[int(away.to_numpy().argmax())]
            items.append(
                f"Largest {word} of ours: {labels[row['row']]} at {row['column']}, "
                f"{_with_unit(row['ours'], unit)} instead of {_with_unit(row['published'], unit)}."
            )
    return Text(text, items=tuple(items))


def _with_unit(value: float, unit: Any) -> str:
    return Value(float(value), unit=unit).text + (" %" if unit == "percent" else "")


def verdict(measured: Measured) -> list[Text]:
    """Whether the claimed gain holds, and what its controls say; empty without a claim."""
    gain, gains = measured.reproduction.gain, measured.gains
    if gain is None:
        return []
    own = _of(gains, gain.name)
    if not own:
        return [Text(f"`{gain.method}` was not evaluated: its gain is unknown.", "warning")]
    columns = [column.name for column in measured.reproduction.columns]
    whole = measured.reproduction.whole or columns[-1]
    parts = [name for name in columns if name in own and name != whole]
    texts = [_claim(measured, own, whole)]
    above = [name for name in parts if own[name].low > 0]
    under = [name for name in parts if own[name].high < 0]
    open_ = [name for name in parts if name not in above and name not in under]
    by_column = (
        f"By column, each at 95 %, the gain is {_where('above zero', above)}"
        f"{_where('; below zero', under, silent=True)}"
        f"{_where('; not distinguishable from zero', open_, silent=True)}."
    )
    lines = [by_column, _shuffled(measured, whole), _trainings(measured, whole, own)]
    told = tuple(line for line in lines if line)
    return [*texts, Text("The evidence in detail:", items=told)]


def _claim(measured: Measured, own: Mapping[str, _Difference], whole: str) -> Text:
    gain = measured.reproduction.gain
    assert gain is not None
    row = own[whole]
    paper = "" if math.isnan(row.published) else f"; published: {_points(row.published)}"
    trained = row.trainings
    over = "one training" if trained == 1 else f"{trained} trainings"
    told = f"`{gain.method}` minus `{gain.over}`, {whole}: {row.shown} points ({over}{paper}). "
    what = gain.what or f"`{gain.method}`"
    if row.low > 0:
        return Text(
            told
            + f"Here {what} improves accuracy beyond the sampling noise of the test images"
            + (" and trainings." if trained > 1 else ".")
        )
    if row.high < 0:
        return Text(told + f"The gain is not reproduced: here {what} lowers accuracy.", "warning")
    open_ = row.low <= row.published <= row.high
    end = "; the published gain lies within the interval as well." if open_ else "."
    return Text(
        f"{told}The gain is not reproduced: here the effect of {what} is not distinguishable from "
        f"zero{end}",
        "warning",
    )


def _shuffled(measured: Measured, whole: str) -> str:
    gain = measured.reproduction.gain
    assert gain is not None
    if not gain.shuffled:
        return ""
    without = _of(measured.gains, difference_name(gain.shuffled, gain.over))
    worth = _of(measured.gains, difference_name(gain.method, gain.shuffled))
    if whole not in without or whole not in worth:
        return f"No control with the level shuffled between images: `{gain.shuffled}` is missing."
    row = worth[whole]
    if row.low > 0:
        end = "the network uses the level it is given"
    elif row.high < 0:
        end = "the network does better with a wrong level than with the right one"
    else:
        end = "with a wrong level the network does as well, so the level does not explain a gain"
    return (
        f"With the level shuffled between images (`{gain.shuffled}`), the gain is "
        f"{without[whole].shown} points; the correct level adds {row.shown}: {end}."
    )


def _trainings(measured: Measured, whole: str, own: Mapping[str, _Difference]) -> str:
    gain = measured.reproduction.gain
    assert gain is not None
    names = dict.fromkeys(map(str, measured.gains["row"]))
    shifts = [
        found[whole].ours
        for name in names
        if name.startswith(f"{gain.over} seed ") and whole in (found := _of(measured.gains, name))
    ]
    if not shifts:
        return (
            f"There is one training of `{gain.over}`, so the variation between trainings is "
            "unknown and not included in the interval."
        )
    largest, size = max(map(abs, shifts)), own[whole].ours
    relation = "larger" if size > largest else "no larger"
    count = len(shifts)
    subject = (
        f"The other training of `{gain.over}` differs from the first by {_points(shifts[0])} points"
        if count == 1
        else f"The {count} other trainings of `{gain.over}` differ from the first by "
        f"{_points(min(shifts))} to {_points(max(shifts))} points"
    )
    return f"{subject} through training randomness alone; the gain is {relation} than that."


@dataclass(frozen=True)
class _Difference:
    """One cell of a row of differences, in fractions."""

    ours: float
    low: float
    high: float
    published: float
    trainings: int

    @property
    def shown(self) -> str:
        value = Value(self.ours, self.low, self.high, "points")
        return f"{value.text} {value.interval}".rstrip()


def _of(gains: pd.DataFrame, name: str) -> dict[str, _Difference]:
    """A row of the gains, by column."""
    found: dict[str, _Difference] = {}
    for record in gains[gains["row"] == name].to_dict("records"):
        found[str(record["column"])] = _Difference(
            ours=float(record["ours"]),
            low=float(record["ci_low"]),
            high=float(record["ci_high"]),
            published=float(record["published"]),
            trainings=len(str(record["train_seeds"]).split()),
        )
    return found


def _where(what: str, names: list[str], *, silent: bool = False) -> str:
    if not names:
        return "" if silent else f"nowhere {what}"
    return f"{what} at {', '.join(names)}"


def _points(value: float) -> str:
    return Value(float(value), unit="points").text
