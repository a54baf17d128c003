"""What the heat map shows: every share, legibly, and a dash where there is none."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from robobench.reports.leaderboard import Leaderboard
from robobench.reports.plots import heatmap_figure
from robobench.reports.style import room
from robobench.results.run import load

CORRUPTIONS = ("jpeg_compression", "gaussian_noise", "fog", "snow")


@pytest.fixture
def drawn(write_run, tmp_path):
    """A function that draws the heat map of a made-up run and returns its axes."""

    def draw(methods, **more):
        run = load(write_run(tmp_path, methods=methods, corruptions=CORRUPTIONS, **more))
        with room():
            figure = heatmap_figure(Leaderboard(run, "shapes10", "test", run.cells[0].backbone))
            figure.draw_without_rendering()
        return figure.axes

    return draw


def brightness(color):
    """Relative luminance (WCAG 2)."""
    c = np.array(to_rgb(color))
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return linear @ (0.2126, 0.7152, 0.0722)


def test_every_share_is_shown_and_a_dash_where_there_is_none(drawn):
    axes, bar = drawn(("org", "afd", "ddp", "truth"), refuses={("ddp", "fog")})
    shown = {
        (round(t.get_position()[1] - 0.5), round(t.get_position()[0] - 0.5)): t.get_text()
        for t in axes.texts
    }
    columns = [label.get_text() for label in axes.get_xticklabels()]
    assert columns[-1] == "mean"
    assert sorted(columns[:-1]) == sorted(CORRUPTIONS)
    assert [label.get_text()[:3] for label in axes.get_yticklabels()] == ["afd", "ddp", "tru"]
    assert len(shown) == 3 * 5
    assert {at for at, text in shown.items() if text == "\N{EN DASH}"} == {
        (1, columns.index("fog")),
        (1, 4),
    }
    assert 35 < int(shown[0, 0]) < 60
    assert 75 < int(shown[2, 0]) < 95
    assert bar.get_ylabel() == "share recovered (%)"
    assert not any(
        label.get_rotation() for label in (*axes.get_xticklabels(), *axes.get_yticklabels())
    )


def test_numbers_are_legible_on_every_colour_of_the_bar(drawn):
    axes = drawn(("org", "afd", "ddp", "truth"))[0]
    colors = axes.collections[0].cmap(np.linspace(0, 1, 21))[:, :3]
    ink = {text.get_color() for text in axes.texts}
    for color in colors:
        for text in ink:
            dark, light = sorted([brightness(color), brightness(text)])
            assert (light + 0.05) / (dark + 0.05) > 4.5


def test_few_rows_need_no_bar(drawn):
    assert len(drawn(("org", "afd"))) == 1
