"""Charts of a page: real text, colours of light and dark, labels apart, numbers of the tables."""

import re
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from robobench.corruptions.catalogue import GROUPS
from robobench.reports import style
from robobench.reports.builder import compose
from robobench.reports.by_severity import groups_of, mean_over
from robobench.reports.console_summary import headings
from robobench.reports.leaderboard import leaderboards
from robobench.reports.line_plots import in_color, methods_figure, severity_figure, short
from robobench.reports.per_image import per_image
from robobench.reports.plots import cost_figure, heatmap_figure, paired_figure
from robobench.reports.svg import inline
from robobench.results.run import load

CORRUPTIONS = ("jpeg_compression", "gaussian_noise", "fog")
MANY = ("org", "afd", "twin", "truth", *(f"other-method-{k}" for k in range(6)))


@pytest.fixture(scope="module")
def board(run):
    return leaderboards(run)[0]


@pytest.fixture(scope="module")
def many(write_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    return leaderboards(load(write_run(folder, MANY, CORRUPTIONS, images=80, shown=False)))[0]


def drawn(figure, name="x"):
    with style.room():
        return inline(
            style.figure_file(figure, "svg", name), "what it shows", 1, figure, style.VARIABLES
        )


def contrast(one, other):
    """Contrast of two colours (WCAG 2)."""
    levels = []
    for color in (one, other):
        c = np.array(to_rgb(color))
        linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
        levels.append(linear @ (0.2126, 0.7152, 0.0722))
    dark, light = sorted(levels)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("make", [severity_figure, paired_figure, cost_figure])
def test_text_is_text_and_colours_are_variables(board, make):
    with style.room():
        svg = drawn(make(board))
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert {"afd", "truth"} <= {text.split(" ")[0] for text in texts}
    left = set(re.findall(r"#[0-9a-f]{6}", svg))
    assert left <= {"#000000"}, "no colour that light and dark do not share"
    assert all("fill:" in tag for tag in re.findall(r"<text[^>]*>", svg)), "black would vanish"


def test_letters_are_readable_and_each_variable_has_two_schemes():
    assert all(contrast(color, "white") >= 4.5 for color in style.LETTERS)
    from robobench.reports.builder import _source

    light, dark = _source("report.css").split("prefers-color-scheme: dark", 1)
    for name in style.VARIABLES.values():
        assert f"--{name}: #" in light, name
        assert f"--{name}: #" in dark.split("* {")[0], name
    dark_paper = re.search(r"--paper: (#\w{6})", dark)[1]
    for color in re.findall(r"--letters-\d: (#\w{6})", dark):
        assert contrast(color, dark_paper) >= 4.5


def test_hover_tells_the_numbers_of_the_table(board):
    with style.room():
        figure = severity_figure(board)
    told = {spot.text for spot in figure.spots}
    row = next(row for row in board.rows if row.label == "afd")
    points = board.points(row, "gaussian_noise", "severity")
    wanted = f"gaussian_noise, severity 5: {100 * points[-1].value:.1f} % ["
    assert any(text.startswith("afd") and wanted in text for text in told)
    # clean and five severities of two corruptions
    assert len(figure.spots) == len(board.rows) * 2 * 6


def test_labels_at_lines_do_not_touch(board):
    with style.room():
        figure = severity_figure(board)
        figure.draw_without_rendering()
        for axes in figure.axes:
            boxes = sorted((t.get_window_extent() for t in axes.texts), key=lambda box: box.y0)
            assert len(boxes) == len(board.rows)
            centres = [(box.y0 + box.y1) / 2 for box in boxes]
            assert min(np.diff(centres)) > 0.9 * 7 / 72 * figure.dpi


def test_beyond_six_methods_each_against_grey(many):
    assert len(in_color(many)) == 4
    assert "truth" not in in_color(many), "an oracle is not what a reader may choose"
    with style.room():
        figure = methods_figure(many)
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert len(panels) == len(MANY) - 1
    for axes in panels:
        colors = [line.get_color() for line in axes.lines]
        assert colors.count(style.BACKGROUND) == len(MANY) - 2
    parts = compose([many.run], ["severity"]).parts[0].blocks
    assert [block.name for block in parts[:2]] == ["severity-methods", "severity"]


def test_one_huge_share_leaves_the_other_colours_alone(many, monkeypatch):
    with style.room():
        before = heatmap_figure(many).axes[0].collections[0].get_array().copy()
    summed = type(many).summed

    def one_huge(board, row, corruption, column, why=""):
        value = summed(board, row, corruption, column, why)
        huge = (row.label, corruption, column) == ("afd", "fog", "recovered")
        return share(-40.0) if huge else value

    monkeypatch.setattr(type(many), "summed", one_huge)
    with style.room():
        after = heatmap_figure(many).axes[0].collections[0].get_array()
    assert (np.asarray(before) != np.asarray(after)).sum() == 1
    assert after.min() > -1, "more than -4,000 % is still told apart"


def share(number):
    from robobench.reports.blocks import Value

    return Value(number)


def test_means_over_corruptions(board):
    row = board.rows[1]
    names = list(board.corruptions)
    singles = [board.points(row, name, "severity")[2].value for name in names]
    found = mean_over(board, row, names, 3)
    assert found.value == pytest.approx(np.mean(singles))
    assert found.low < found.value < found.high
    assert mean_over(board, row, names).value == pytest.approx(
        board.summed(row, "mean", "accuracy").value
    )
    assert groups_of(["fog", "frost", "gaussian_noise", "mine"]) == {
        "noise": ["gaussian_noise"], "weather": ["fog", "frost"], "others": ["mine"],
    }  # fmt: skip


@pytest.mark.parametrize("group", sorted(set(GROUPS) - {"common", "all", "codecs"}))
def test_published_groups_have_their_name_on_pages_and_on_the_console(group):
    assert groups_of(GROUPS[group]) == {group: list(GROUPS[group])}
    many = [*GROUPS["all"], *GROUPS[group]]
    assert list(headings(many)) == list(groups_of(many))
    assert group in headings(many)


def test_reliability_counts_every_prediction(board, run):
    found = per_image(board)
    for row in board.rows:
        assert found.reliability[row.label, True].count.sum() == 300
        one = found.reliability[row.label, False]
        assert one.count.sum() == 10 * 300
        right = sum(
            run.predictions(c).correct.sum()
            for c in run.cells
            if c.method == row.method and not c.degradation.is_clean
        )
        assert one.right.sum() == right


def test_long_names_keep_both_ends():
    assert short("org") == "org"
    assert short("restore:a-long-file-name.pt", 12) == "restor\N{HORIZONTAL ELLIPSIS}me.pt"
    assert len(short("x" * 50)) == 12


def test_a_report_without_plots_loads_nothing_that_draws(folder, tmp_path):
    code = (
        "import sys\n"
        "from robobench.reports.builder import build\n"
        "from robobench.results.run import load\n"
        "build(load(sys.argv[1]), sys.argv[2], ['html', 'csv'], ['summary'])\n"
        "drawing = {'matplotlib.figure', 'matplotlib.pyplot', 'seaborn'} & set(sys.modules)\n"
        "assert not drawing, drawing\n"
    )
    command = [sys.executable, "-c", code, str(folder), str(tmp_path)]
    subprocess.run(command, check=True, timeout=60)
    assert (tmp_path / "index.html").is_file()
