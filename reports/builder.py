"""The builder: turns sections into a report in every format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robobench.errors import RobobenchError, unknown_name
from robobench.files import refuse_blocked_folder, write_aside
from robobench.registry import SECTIONS
from robobench.reports import (
    data_files,
    fonts,
    html_tables,
    latex_tables,
    markup,
    style,
    svg,
    tables,
)
from robobench.reports.blocks import (
    Block,
    Browser,
    Card,
    Gallery,
    Plot,
    Table,
    Text,
    counted,
)
from robobench.reports.joined import join
from robobench.reports.leaderboard import Leaderboard, leaderboards
from robobench.reports.notices import notices
from robobench.reports.paper_styles import PLAIN, PaperStyle, paper_style
from robobench.reports.part import Part
from robobench.reports.prose_numbers import macros
from robobench.reports.pull_request import LONGEST, Folded, fitted

if TYPE_CHECKING:
    from jinja2 import Environment

    from robobench.results.run import Run

FORMATS = ("html", "latex", "markdown", "csv", "json", "parquet")
DEFAULT_FORMATS = ("html", "latex", "csv")
_LAST = 1000  # order of a section that does not state one


@dataclass
class Report:
    """Everything that a format writes.

    Attributes:
        title: Title of the report.
        subtitle: What was evaluated, in one line.
        notices: What is shown before everything else.
        parts: The sections, in order.
        version: Version of robobench, for the footer.
        paper: The style that its figures are drawn in, and its LaTeX is written in.
        boards: The leaderboards whose numbers LaTeX gets as macros.
    """

    title: str
    subtitle: str
    notices: Sequence[Text]
    parts: Sequence[Part]
    version: str
    paper: PaperStyle = PLAIN
    boards: Sequence[Leaderboard] = ()
    _drawn: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def draw(self, plot: Plot | Gallery, form: style.Format) -> bytes:
        """A plot as a file; drawn once for all formats."""
        if (plot.name, form) not in self._drawn:
            self._drawn[plot.name, form] = style.figure_file(plot.figure, form, plot.name)
        return self._drawn[plot.name, form]

    @cached_property
    def tables(self) -> list[Table]:
        """All tables, in order."""
        return [b for part in self.parts for b in part.blocks if isinstance(b, Table)]

    @cached_property
    def plots(self) -> list[Plot | Gallery]:
        """All plots, in order."""
        return [b for part in self.parts for b in part.blocks if isinstance(b, Plot | Gallery)]

    def without_browsers(self) -> Report:
        """The same for a format that nobody can click on."""
        kept = [
            replace(part, blocks=[b for b in part.blocks if not isinstance(b, Browser)])
            for part in self.parts
        ]
        told = [
            new for new, part in zip(kept, self.parts, strict=True) if new.blocks or not part.blocks
        ]
        return replace(self, parts=told)


def build(
    run: Run | Sequence[Run],
    out: str | Path,
    formats: Iterable[str] = DEFAULT_FORMATS,
    sections: Iterable[str] | None = None,
    normalizer: str | None = None,
    paper: str = "plain",
) -> Path:
    """Write the report of a run, or of several side by side.

    Args:
        run: What to report on.
        out: Folder for ``index.html``, ``report.tex``, ``report.md``, ``tables/`` and ``figures/``,
            as the formats need them. Other files in it are left untouched.
        formats: Any of `FORMATS`.
        sections: Names of registered sections; by default all that return anything.
        normalizer: Reference method that losses are relative to, instead of ``org``.
        paper: Style of the LaTeX, one of `robobench.reports.paper_styles.STYLES`.

    Returns:
        The file to open first.

    Raises:
        RobobenchError: A format, section, method or style is unknown, the run has no cells, a section
            raised, or the folder is not writable.
    """
    wanted = check_formats(formats)
    refuse_blocked_folder(Path(out))
    runs = [run] if not isinstance(run, Sequence) else run
    printed = paper_style(paper)
    looks = {name: printed if name == "latex" else PLAIN for name in wanted}
    made = _compose_each(runs, sections, normalizer, looks.values())
    write({name: made[look] for name, look in looks.items()}, Path(out))
    return Path(out) / FIRST[wanted[0]]


def check_formats(formats: Iterable[str]) -> list[str]:
    """The formats, each once.

    Raises:
        RobobenchError: One is unknown, or there is none.
    """
    wanted = list(dict.fromkeys(formats))
    for name in wanted:
        if name not in FORMATS:
            raise unknown_name("format", name, FORMATS)
    if not wanted:
        raise RobobenchError(f"no format given: name one or more of {', '.join(FORMATS)}")
    return wanted


def write(reports: Mapping[str, Report], folder: Path) -> None:
    """Write the files of reports, by format, all made before the first is written."""
    files: dict[str, bytes] = {}
    for name, report in reports.items():
        with style.room(report.paper):
            files |= _WRITERS[name](report)
    for path, data in files.items():
        write_aside(folder / path, data)


def _joined(runs: Sequence[Run], normalizer: str | None) -> Run:
    """The runs as one, which must have cells."""
    run = join(runs, normalizer)
    if not run.cells:
        raise RobobenchError(
            f"{run.label} has no cells yet, so there is nothing to report; `robobench run` fills it"
        )
    return run


def compose(
    runs: Sequence[Run],
    sections: Iterable[str] | None = None,
    normalizer: str | None = None,
    paper: PaperStyle = PLAIN,
) -> Report:
    """Call the sections, whose figures fit a paper.

    Raises:
        RobobenchError: See `build`.
    """
    return _compose_each(runs, sections, normalizer, [paper])[paper]


def _compose_each(
    runs: Sequence[Run],
    sections: Iterable[str] | None,
    normalizer: str | None,
    papers: Iterable[PaperStyle],
) -> dict[PaperStyle, Report]:
    """A report for each style, all of the same numbers."""
    names, asked = _chosen(sections), sections is not None
    run = _joined(runs, normalizer)
    return {paper: _composed(run, names, asked, paper) for paper in dict.fromkeys(papers)}


def _composed(run: Run, names: Sequence[str], asked: bool, paper: PaperStyle) -> Report:
    import robobench

    with style.room(paper):
        parts = [_call(name, run) for name in names]
    _refuse_same_names(parts)
    found = leaderboards(run)
    figures = [b.figure for part in parts for b in part.blocks if isinstance(b, Plot)]
    told = ", ".join(dict.fromkeys(f"`{s.dataset}` ({s.split})" for s in found))
    backbones = ", ".join(dict.fromkeys(f"`{s.backbone}`" for s in found))
    methods = len({label for s in found for label in s.labels})
    return Report(
        title=f"Robustness of {' and '.join(dict.fromkeys(s.backbone for s in found))}",
        subtitle="; ".join(
            (told, backbones, counted(methods, "method"), counted(len(run.cells), "cell"))
        ),
        notices=[*notices(run), *fonts.missing_letters(figures)],
        parts=[part for part in parts if part.blocks or asked],
        version=robobench.__version__,
        paper=paper,
        boards=found,
    )


def _chosen(sections: Iterable[str] | None) -> list[str]:
    names = SECTIONS.names() if sections is None else [SECTIONS.canonical(n) for n in sections]

    def place(name: str) -> int:
        return int(SECTIONS.entry(name).options.get("order", _LAST))

    return (
        sorted(dict.fromkeys(names), key=place) if sections is None else list(dict.fromkeys(names))
    )


def _call(name: str, run: Run) -> Part:
    section: Callable[[Any], Sequence[Block]] = SECTIONS[name]
    try:
        blocks = list(section(run))
    except RobobenchError:
        raise
    except Exception as error:
        raise RobobenchError(
            f"section {name!r} raised {type(error).__name__}: {error}; omit it with --sections, "
            f"or fix {SECTIONS.entry(name).origin}"
        ) from error
    strange = [type(block).__name__ for block in blocks if not isinstance(block, Block)]
    if strange:
        raise RobobenchError(
            f"section {name!r} returned a {strange[0]}: Text, Table, Plot and others of "
            "robobench.reports.blocks are expected"
        )
    title = SECTIONS.entry(name).options.get("title")
    return Part(name, str(title or name.replace("-", " ").capitalize()), blocks)


def _refuse_same_names(parts: Sequence[Part]) -> None:
    """Two tables of the same name would overwrite each other's files."""
    held: dict[tuple[str, str], str] = {}
    for part in parts:
        for block in part.blocks:
            if isinstance(block, Text):
                continue
            key = type(block).__name__.lower(), block.name
            if key in held:
                raise RobobenchError(
                    f"sections {held[key]!r} and {part.name!r} both have a {key[0]} named "
                    f"{block.name!r}: rename one"
                )
            held[key] = part.name


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("robobench.reports", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # three formats: each template names its filters, which a test checks
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
    )
    environment.filters.update(
        html=markup.html,
        latex=markup.latex,
        markdown=markup.markdown,
        percent=lambda share: f"{100 * min(max(share, 0.0), 1.0):.3g}",
        table_html=html_tables.to_html,
        views_json=html_tables.views_json,
        webp=svg.as_webp,
        table_markdown=tables.to_markdown,
        footnotes=tables.footnotes,
        share=style.share,
    )
    environment.tests.update(
        browser=lambda block: isinstance(block, Browser),
        card=lambda block: isinstance(block, Card),
        judged=html_tables.is_judged,
        gallery=lambda block: isinstance(block, Gallery),
        text=lambda block: isinstance(block, Text),
        table=lambda block: isinstance(block, Table),
    )
    return environment


def page(report: Report, template: str, **more: Any) -> bytes:
    """A report through one template, complete.

    Args:
        report: The report to show.
        template: Name of a file in ``templates/``.
        more: Further variables of the template.
    """
    css, js = _source("report.css"), _source("report.js") + _source("images.js")

    def inline(plot: Plot) -> str:
        made, width = report.draw(plot, "svg"), style.share(plot.figure)
        return svg.inline(made, plot.alt, width, plot.figure, style.VARIABLES)

    made = _environment().get_template(template)
    return made.render(report=report, css=css, js=js, svg=inline, **more).encode()


def _source(name: str) -> str:
    """A file of ``templates/`` as it is."""
    loader = _environment().loader
    assert loader is not None
    return loader.get_source(_environment(), name)[0]


def _html(report: Report) -> Mapping[str, bytes]:
    return {"index.html": page(report, "report.html.j2")}


def _latex(report: Report) -> Mapping[str, bytes]:
    files = {"numbers.tex": macros(report.boards).encode()}
    for table in report.tables:
        for folder, intervals in (("tables", True), ("tables/without-intervals", False)):
            made = latex_tables.to_latex(table, report.paper, intervals=intervals)
            files[f"{folder}/{table.name}.tex"] = made.encode()
    for plot in report.plots:
        float_ = latex_tables.figure_to_latex(plot, report.paper)
        files[f"figures/{plot.name}.tex"] = float_.encode()
        files[f"figures/{plot.name}.pdf"] = report.draw(plot, "pdf")
        files[f"figures/{plot.name}.svg"] = report.draw(plot, "svg")
    return {"report.tex": page(report.without_browsers(), "report.tex.j2"), **files}


def _markdown(report: Report) -> Mapping[str, bytes]:
    files = {f"figures/{plot.name}.png": report.draw(plot, "png") for plot in report.plots}
    return {"report.md": markdown_of(report).encode(), **files}


def markdown_of(report: Report, most: int = LONGEST) -> str:
    """A report as Markdown that fits a pull request.

    Args:
        report: The report.
        most: Number of bytes in UTF-8 that it may have.
    """
    shown = report.without_browsers()

    def render(folded: Folded) -> str:
        return page(shown, "report.md.j2", folded=folded).decode()

    return fitted(shown.parts, render, most)


def _data(report: Report, form: str) -> Mapping[str, bytes]:
    return data_files.files_of(report.tables, form)


_WRITERS: Mapping[str, Callable[[Report], Mapping[str, bytes]]] = {
    "html": _html,
    "latex": _latex,
    "markdown": _markdown,
    **{form: partial(_data, form=form) for form in data_files.WRITTEN},
}
FIRST = {"html": "index.html", "latex": "report.tex", "markdown": "report.md"} | dict.fromkeys(
    data_files.WRITTEN, "tables"
)
