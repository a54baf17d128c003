"""``robobench compare``: two runs as before and after."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="What changed between two runs, regressions first.")
@click.argument("before", type=click.Path())
@click.argument("after", type=click.Path())
@click.option(
    "--out",
    type=click.Path(file_okay=False),
    help="Folder for the page (index.html), report.md and tables. [default: print only]",
)
@click.option(
    "--format",
    "formats",
    default="html,markdown,csv",
    show_default=True,
    help="What is written to --out: any of html, latex, markdown, csv, json, parquet.",
)
@click.option(
    "--summary",
    type=click.Path(dir_okay=False),
    help="Write Markdown here; $GITHUB_STEP_SUMMARY is appended to.",
)
def compare(before: str, after: str, out: str | None, formats: str, summary: str | None) -> None:
    """Compare the run AFTER with the run BEFORE, method by method on the same images.

    Each method is compared with itself: paired differences with intervals, and tests adjusted for
    everything that is compared. The exit code is 0 whatever changed; `robobench check` fails.
    """
    from robobench.cli._summary import append_summary
    from robobench.reports.before_after import (
        change_blocks,
        compare_runs,
        report_of,
        write_comparison,
    )
    from robobench.reports.blocks import Table
    from robobench.reports.builder import check_formats, markdown_of
    from robobench.reports.screen import print_block, print_text, screen
    from robobench.results.run import load

    wanted = check_formats(name.strip() for name in formats.split(",") if name.strip())
    old, new = load(before), load(after)
    found = compare_runs(old, new)
    console = screen()
    for block in change_blocks(found):
        if not (isinstance(block, Table) and block.folded):
            print_block(console, block)
    for note in found.notes:
        print_text(console, f"note: {note}", "dim")
    if summary is not None:
        append_summary(summary, markdown_of(report_of(old, new, found)))
    if out is not None:
        click.echo(f"comparison: {write_comparison(old, new, found, Path(out), wanted)}")
