"""How far features drift, with each repair and without (``robobench run --drift``)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from robobench import section
from robobench.reports.blocks import Block, Plot, Table, Value
from robobench.reports.by_board import by_board
from robobench.reports.drift_plot import drift_figure
from robobench.reports.leaderboard import Leaderboard
from robobench.results.manifest import DRIFT
from robobench.types import CLEAN

if TYPE_CHECKING:
    from robobench.results.run import Run


@section("drift", order=45, title="Drift of the features")
def drift(run: Run) -> list[Block]:
    """What is left of the drift of the features, behind each module and at each later stage."""
    found = _measured(run)
    if found is None:
        return []
    return by_board(run, partial(_blocks, found=found))


def _blocks(board: Leaderboard, found: pd.DataFrame) -> list[Block]:
    mine = found[found["backbone"] == board.backbone]
    parts = {row.label: part for row in board.rows if len(part := row.of(mine))}
    if not parts:
        return []
    blocks: list[Block] = []
    graded = mine[mine["severity"].notna()]
    if len(graded):
        blocks.append(
            Plot(
                f"drift{board.suffix}",
                "Drift of the features at each severity, averaged over corruptions: squared "
                "distance to the features of the clean image, as a share of their variance; "
                "severity 0: clean images, where a repair should change nothing. Grey: without a "
                f"repair. First {int(mine['images'].max())} images.",
                drift_figure(parts, graded),
                f"Drift against severity for {', '.join(parts)}, one panel per layer.",
            )
        )
    return [*blocks, _by_layer(board, parts), _by_corruption(board, parts)]


def _measured(run: Run) -> pd.DataFrame | None:
    """The rows about cells of these runs, from every run in which the drift was measured."""
    weights = {cell.weights for cell in run.cells}
    files = [one.folder / DRIFT for one in getattr(run, "runs", (run,))]
    frames = [pd.read_csv(path, keep_default_na=True) for path in files if path.is_file()]
    if not frames:
        return None
    found = pd.concat(frames).drop_duplicates(ignore_index=True)
    found["trained_on"] = found["trained_on"].fillna("")
    found = found[found["weights"].isin(weights)]
    return found if len(found) else None


def _left(part: pd.DataFrame) -> Value:
    """What a repair leaves of the drift, as a share of that without it."""
    return Value(float(part["drift"].sum() / part["untreated"].sum()))


def _by_layer(board: Leaderboard, parts: dict[str, pd.DataFrame]) -> Table:
    layers = list(dict.fromkeys(layer for part in parts.values() for layer in part["layer"]))
    frame = pd.DataFrame(
        [
            [
                _left(part[(part["layer"] == layer) & (part["corruption"] != CLEAN)])
                for layer in layers
            ]
            for part in parts.values()
        ],
        index=_headings(board, parts),
        columns=layers,
        dtype=object,
    )
    frame.columns.name = "layer"
    return Table(
        f"drift-layers{board.suffix}",
        "Share of the drift that a repair leaves, in percent, behind the module and at the end of each "
        "stage, summed over all conditions: 100 is as much as without a repair, above 100 more.",
        frame,
        notes=tuple(board.marks([row for row in board.rows if row.label in parts])),
    )


def _by_corruption(board: Leaderboard, parts: dict[str, pd.DataFrame]) -> Table:
    last = {label: part[part["layer"] == part["layer"].iloc[-1]] for label, part in parts.items()}
    names = [n for n in board.degraded if any((p["corruption"] == n).any() for p in last.values())]
    frame = pd.DataFrame(
        {
            name: [
                _left(part[part["corruption"] == name])
                if (part["corruption"] == name).any()
                else Value(None, why="not applicable")
                for part in last.values()
            ]
            for name in names
        },
        index=_headings(board, parts),
        dtype=object,
    )
    frame.columns.name = "corruption"
    return Table(
        f"drift-corruptions{board.suffix}",
        "Share of the drift at the end of the last stage that a repair leaves, in percent.",
        frame,
        notes=tuple(board.marks([row for row in board.rows if row.label in parts])),
        folded=True,
    )


def _headings(board: Leaderboard, parts: dict[str, pd.DataFrame]) -> list[str]:
    return [row.heading for row in board.rows if row.label in parts]
