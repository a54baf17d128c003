"""Values, markup, looks, and tables in every format."""

import io
import json
import re

import pandas as pd
import pytest

from robobench.reports import markup, style, tables
from robobench.reports.blocks import DASH, MINUS, Table, Value
from robobench.reports.html_tables import to_html
from robobench.reports.latex_tables import to_latex
from robobench.reports.paper_styles import PLAIN
from robobench.reports.screen import grid, print_table, screen
from robobench.reports.tables import plain


@pytest.mark.parametrize(
    ("value", "text", "interval"),
    [
        (Value(0.7123, 0.701, 0.723), "71.2", "[70.1, 72.3]"),
        (Value(-0.034, -0.05, 0.0, "points"), f"{MINUS}3.4", f"[{MINUS}5.0, 0.0]"),
        (Value(-0.0001, unit="points"), "0.0", ""),
        (Value(None, 0.1, 0.2), DASH, ""),
        (Value(float("nan")), DASH, ""),
        (Value(1.0, 1.0, 1.0), "100.0", ""),
        (Value(1_234_567, unit="count"), "1.23 M", ""),
        (Value(0.0001, unit="p"), "< 0.001", ""),
        (Value(1.0, unit="number"), "1.00", ""),
    ],
)
def test_values_as_readers_see_them(value, text, interval):
    assert (value.text, value.interval) == (text, interval)


def test_no_text_ends_the_script_element_that_holds_it():
    made = markup.script_json({"name": "</script><b>名"})
    assert "<" not in made
    assert made.isascii()
    assert json.loads(made) == {"name": "</script><b>名"}


def test_markup():
    assert markup.html("`a<b` & 5 %") == "<code>a&lt;b</code> &amp; 5\u00a0%"
    assert markup.latex("`--limit`") == r"\texttt{-{}-limit}"
    told = "a small difference (--train-seeds, --seed-sd); x--y, 5 -- 6"
    assert markup.html(told) == (
        'a small difference (<span class="option">--train-seeds</span>, '
        '<span class="option">--seed-sd</span>); x--y, 5 -- 6'
    )
    assert markup.latex(told) == (
        r"a small difference (\mbox{-{}-train-seeds}, \mbox{-{}-seed-sd}); x-{}-y, 5 -{}- 6"
    )
    assert markup.latex("1\N{EN DASH}2") == r"1\textendash{}2"
    assert markup.latex("`a_b` 5 %") == r"\texttt{a\_\allowbreak{}b} 5~\%"
    assert markup.markdown("`a_b` *x*") == r"`a_b` \*x\*"
    assert markup.latex_plain("名") == r"\texttt{U+540D}"


def test_looks_differ():
    names = [f"m{i}" for i in range(24)]
    assert len(set(style.looks(names, "m0").values())) == 24
    assert style.looks(names, "m0")["m0"].color == style.REFERENCE


# One table, laid out once, in every format.


def shown_table(**more):
    rows = {
        "a_b": {"x": Value(0.5, 0.4, 0.6, bold=True), "p": Value(0.0001, unit="p"), "said": "1|2"},
        "<c>": {"x": Value(-0.25), "p": Value(None, unit="p", why="no pairs"), "said": "3"},
    }
    frame = pd.DataFrame.from_dict(rows, orient="index", dtype=object)
    frame.columns.name = "method"
    return Table("t", "A table.", frame, **more)


def grouped_table(names=("corruption", "method")):
    index = pd.MultiIndex.from_tuples(
        [("fog", "org"), ("fog", "afd"), ("snow", "org"), ("snow", "afd")], names=names
    )
    gain = [Value(None), Value(0.2, 0.1, 0.3), Value(None), Value(-0.2, -0.3, -0.1)]
    snow = [Value(None), Value(None), Value(0.1), Value(0.2)]
    return Table("g", "Groups.", pd.DataFrame({"gain": gain, "snowy": snow}, index=index))


def test_each_format_has_the_same_cells():
    html = re.sub("<i [^>]*></i>", "", plain(to_html(shown_table())))  # without bars
    latex = to_latex(shown_table(), PLAIN)
    assert (
        '<th scope="row">a_<wbr>b</th><td><strong>50.0</strong><small>[40.0, 60.0]</small>' in html
    )
    assert '<th scope="row">&lt;c&gt;</th><td>-25.0</td><td>-<sup>a</sup></td><td>3</td>' in html
    assert "<td>&lt; 0.001</td>" in html
    assert (
        r"lS[table-format=+2.1,table-space-text-post={\,\robobenchsmall{{[}40.0, 60.0{]}}}]rl@"
        in latex
    )
    assert (
        r"a\_b & \bfseries 50.0{\,\robobenchsmall{{[}40.0, 60.0{]}}} & {\textless{} 0.001} &"
        in latex
    )
    assert r"\textless{}c\textgreater{} & -25.0 & {\textendash{}\tnote{a}} & 3 \\" in latex
    assert plain(tables.to_markdown(shown_table())).splitlines()[1:] == [
        "| --- | ---: | ---: | --- |",
        r"| a\_b | **50.0** \[40.0, 60.0\] | \< 0.001 | 1\|2 |",
        r"| \<c\> | -25.0 | - (a) | 3 |",
    ]
    assert tables.to_log(shown_table()).splitlines()[2:] == [
        "| a_b    | 50.0 [40.0,60.0] | < 0.001 | 1|2  |",
        "| <c>    |            -25.0 |   - (a) | 3    |",
    ]
    assert tables.to_csv(shown_table()).splitlines() == [
        "method,x,x_low,x_high,p,said",
        "a_b,0.5,0.4,0.6,0.0001,1|2",
        "<c>,-0.25,,,,3",
    ]
    assert tables.footnotes(shown_table(notes=("So.",))) == [("a", "no pairs."), ("", "So.")]


def test_groups_are_a_column_where_they_have_a_name_and_else_a_part_of_the_heading():
    assert tables.to_log(grouped_table()).startswith("| corruption | method | ")
    assert tables.to_csv(grouped_table()).startswith("corruption,method,gain,gain_low,gain_high,")
    unnamed = plain(tables.to_markdown(grouped_table((None, None))))
    assert r"| fog, afd | 20.0 \[10.0, 30.0\] | - |" in unnamed


def test_a_terminal_shows_groups_and_no_row_of_dashes():
    lines = [plain(line.plain) for line in grid(grouped_table(), 80)]
    assert lines == [
        "                    gain snowy",
        "fog",
        " org                   -     -",
        " afd    20.0 [10.0,30.0]     -",
        "snow",
        " org                   -  10.0",
        " afd -20.0 [-30.0,-10.0]  20.0",
    ]


def test_without_room_for_both_ends_the_half_width_is_shown():
    lines = [plain(line.plain) for line in grid(grouped_table(), 29)]
    assert lines[3] == " afd  20.0 +-10.0     -"
    assert max(map(len, lines)) <= 29


@pytest.mark.parametrize("width", [1, 17, 22, 23, 200])
def test_a_narrow_terminal_gets_blocks_of_columns_and_every_number(width):
    lines = [plain(line.plain) for line in grid(grouped_table(), width)]
    text = "\n".join(lines)
    assert all(number in text for number in ("gain", "snowy", "20.0 ", "10.0", "-20.0 "))
    assert text.count("fog") == 1, "of the second block it would hold dashes alone"
    assert ("" in lines) == (width < 23)
    assert width < 17 or max(map(len, lines)) <= width


def test_stacked_rows_have_their_intervals_below():
    lines = [plain(line.plain) for line in grid(grouped_table(), 80, stacked=("afd",))]
    assert lines[3:5] == [" afd         20.0     -", " 95 %   10.0…30.0"]


def test_colours_and_marks_are_those_of_the_tests():
    frame = pd.DataFrame(
        {
            "gain": [
                Value(0.2, 0.1, 0.3, against="better"),
                Value(-0.2, -0.3, -0.1),
                Value(-0.3, -0.4, 0.1, bold=True, against="worse"),
                Value(0.1, level=True),
            ]
        },
        index=list("abcd"),
    )
    found = grid(Table("t", "A table.", frame), 80)
    styles = {plain(line.plain[a:b]): style for line in found for a, b, style in line.spans}
    assert (styles["20.0"], styles["-30.0"]) == ("green", "bold red")
    assert "-20.0" not in styles, "an interval alone is no test"
    assert found[-1].plain.split() == ["d", "10.0="]
    assert r"\textsuperscript{=}\," not in (latex := to_latex(Table("t", "A table.", frame), PLAIN))
    assert (
        r"d & +10.0{\rlap{\textsuperscript{=}}}" in latex
        or r"d & 10.0{\rlap{\textsuperscript{=}}}" in latex
    )


def test_a_terminal_without_unicode_gets_ascii():
    class Latin(io.TextIOWrapper):
        def isatty(self):
            return True

    file = Latin(io.BytesIO(), encoding="latin-1")
    print_table(screen(file), grouped_table())
    file.flush()
    shown = file.buffer.getvalue()
    assert b"-20.0" in shown
    assert shown.isascii()


def test_marks_of_methods_are_not_in_the_keys_of_data():
    frame = pd.DataFrame({"afd ‡": [Value(0.5, 0.4, 0.6)], "": ["x"]}, index=["truth †§"])
    found = tables.data(Table("t", "A table.", frame))
    assert found.to_dict("list") == {
        "name": ["truth"], "afd": [0.5], "afd_low": [0.4], "afd_high": [0.6], "value": ["x"],
    }  # fmt: skip
