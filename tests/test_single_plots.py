"""`robobench plot`: every chart alone, in a paper's style and width."""

import re

import pandas as pd
import pytest
from click.testing import CliRunner

from robobench.cli.plot import plot
from robobench.errors import RobobenchError
from robobench.reports.builder import compose
from robobench.reports.drift_plot import drift_figure
from robobench.reports.paper_styles import STYLES
from robobench.reports.single_plot import draw
from robobench.results.run import load


def width_of(svg):
    """In inches."""
    return float(re.search(r'<svg[^>]* width="([\d.]+)pt"', svg)[1]) / 72


def test_every_chart_of_a_report_can_be_drawn_alone(run, tmp_path):
    names = [one.name for one in compose([run]).plots]
    assert len(names) > 4
    for name in names:
        (written,) = draw([run], name, tmp_path / f"{name}.png")
        assert written.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("kind", ["severity", "heatmap", "paired", "cost", "reliability"])
def test_a_plot_has_the_width_and_letters_that_are_asked_for(kind, run, tmp_path):
    file = tmp_path / "x.svg"
    draw([run], kind, file, paper=STYLES["cvpr"], width=3.25)
    text = file.read_text()
    assert width_of(text) == pytest.approx(3.25, abs=0.01)
    assert "STIXGeneral" in text
    assert "DejaVu" not in text


def test_what_cannot_be_drawn_is_refused(run, tmp_path):
    with pytest.raises(RobobenchError, match=r"did you mean 'reliability'.*samples"):
        draw([run], "reliabilty", tmp_path / "x.pdf")
    with pytest.raises(RobobenchError, match="at least 2 inches"):
        draw([run], "cost", tmp_path / "x.pdf", width=0.3)
    with pytest.raises(RobobenchError, match="at least 2 inches"):
        draw([run], "cost", tmp_path / "x.pdf", width=float("nan"))
    assert list(tmp_path.iterdir()) == []


PLUGIN = """
import robobench
from matplotlib.figure import Figure
from robobench.reports.blocks import Plot


@robobench.section("mine")
def mine(run):
    "A figure."
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot([1, 2])
    return [Plot("mine-alone", "It.", figure, "It.")]
"""


def test_the_command_takes_plots_of_plugins(folder, registered, tmp_path):
    (tmp_path / "mine.py").write_text(PLUGIN)
    out = tmp_path / "x.pdf"
    told = [str(folder), "--kind", "mine-alone", "--plugin", str(tmp_path / "mine.py")]
    done = CliRunner().invoke(plot, [*told, "--style", "neurips", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert out.read_bytes().startswith(b"%PDF")
    done = CliRunner().invoke(plot, [str(folder), "--kind", "cost", "--style", "neurip"])
    assert "did you mean 'neurips'" in str(done.exception)


def test_legends_of_sixty_methods_are_no_taller_than_their_plots(write_run, tmp_path):
    runs = [
        load(write_run(tmp_path / f"{k}", ("org",), backbone=f"net-{k}", images=40, shown=False))
        for k in range(20)
    ]
    (robustness,) = [p for p in compose(runs, ["classifiers"]).plots if "robustness" in p.name]
    (axes,) = robustness.figure.axes
    assert axes.get_legend() is None
    assert len(axes.texts) == 16
    rows = [
        {
            "layer": "stem",
            "corruption": name,
            "severity": severity,
            "untreated": 1.0,
            "drift": drift,
        }
        for drift in range(60)
        for name, severity in (("clean", None), ("fog", 1.0), ("fog", 2.0))
    ]
    everything = pd.DataFrame(rows)
    parts = {f"m{drift}": part for drift, part in everything.groupby("drift")}
    drawn = drift_figure(parts, everything[everything["severity"].notna()])
    (legend,) = drawn.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["without a repair", *[f"m{k}" for k in range(6)], "other methods"]
