"""A check's answer for people, for GitHub and for every other CI: text, Markdown, JUnit XML."""

from collections.abc import Sequence
from xml.etree import ElementTree

from robobench.checking.check import BETTER, NOT_COMPARABLE, SAME, WORSE, CheckResult, Verdict

# GitHub cuts a step's summary off at 1 MiB; the cells that matter come first.
_ROWS = 200
_ORDER = (WORSE, BETTER, NOT_COMPARABLE, SAME)


def headline(result: CheckResult) -> str:
    """The answer in one line."""
    worse = sum(v.outcome == WORSE for v in result.cells)
    cells = f"{len(result.cells)} cells" + (f", {worse} of them worse" if worse else "")
    return (
        f"{result.outcome} ({cells}; tolerance {result.tolerance:g} points, alpha {result.alpha:g})"
    )


def as_text(result: CheckResult) -> str:
    """For a terminal: methods first, then the cells that changed, then what else differs."""
    changed = [v for v in _ranked(result.cells) if v.outcome != SAME or v.remark]
    lines = [headline(result), ""]
    lines += _table([*result.means, *changed[:20]])
    if len(changed) > 20:
        lines.append(f"    and {len(changed) - 20} more; --summary FILE lists them")
    lines += ["", _power(result)]
    lines += [f"note: {note}" for note in result.notes]
    return "\n".join(lines) + "\n"


def as_markdown(result: CheckResult) -> str:
    """For a GitHub step summary or a pull-request comment."""
    ranked = _ranked(result.cells)
    changed = [v for v in ranked if v.outcome != SAME or v.remark]
    lines = [f"### robobench check: {headline(result)}", "", *_markdown(result.means), ""]
    if changed:
        lines += ["**Cells that changed**", "", *_markdown(changed[:_ROWS]), ""]
    rest = [v for v in ranked if v not in changed]
    if rest:
        lines += [f"<details><summary>{len(rest)} cells are the same</summary>", ""]
        lines += [*_markdown(rest[: max(0, _ROWS - len(changed))]), "", "</details>", ""]
    lines.append(_power(result))
    if result.notes:
        lines += ["", "Not the same as in the baseline:", ""]
        lines += [f"- {_escape(note)}" for note in result.notes]
    return "\n".join(lines) + "\n"


def as_junit(result: CheckResult) -> bytes:
    """JUnit XML: a test case for each method's mean and for each cell; failed where worse."""
    everything = [*result.means, *result.cells]
    failures = sum(v.outcome == WORSE for v in everything)
    skipped = sum(v.outcome == NOT_COMPARABLE for v in everything)
    counts = {
        "tests": str(len(everything)),
        "failures": str(failures),
        "errors": "0",
        "skipped": str(skipped),
    }
    suites = ElementTree.Element("testsuites", {"name": "robobench", **counts})
    suite = ElementTree.SubElement(suites, "testsuite", {"name": "robobench check", **counts})
    for verdict in everything:
        name = {"classname": f"robobench.{verdict.method}", "name": verdict.what, "time": "0"}
        case = ElementTree.SubElement(suite, "testcase", name)
        told = _told(verdict)
        if verdict.outcome == WORSE:
            message = {"message": f"loses {100 * verdict.loss:.1f} points", "type": "worse"}
            ElementTree.SubElement(case, "failure", message).text = told
        elif verdict.outcome == NOT_COMPARABLE:
            ElementTree.SubElement(case, "skipped", {"message": verdict.remark})
        else:
            ElementTree.SubElement(case, "system-out").text = told
    if result.notes:
        ElementTree.SubElement(suite, "system-out").text = "\n".join(result.notes)
    ElementTree.indent(suites)
    document: bytes = ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _ranked(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Worst first."""
    return sorted(verdicts, key=lambda v: (_ORDER.index(v.outcome), not v.remark, -v.loss))


def _power(result: CheckResult) -> str:
    """What a silent check would have heard; nothing to say of one that spoke."""
    if result.outcome == WORSE:
        return f"Worse means: more than {result.tolerance:g} points lost, beyond chance."
    return (
        f"On these images a loss of {result.detectable:.1f} points in the mean would be found four "
        "times out of five."
    )


def _told(verdict: Verdict) -> str:
    remark = f"; {verdict.remark}" if verdict.remark else ""
    return (
        f"accuracy {100 * verdict.before:.2f} -> {100 * verdict.after:.2f} % on {verdict.count} "
        f"images: {verdict.outcome} (loss {100 * verdict.loss:.2f} points, 95 % interval "
        f"{100 * verdict.low:.2f} to {100 * verdict.high:.2f}, adjusted p {verdict.p:.3g}){remark}"
    )


def _cells(verdict: Verdict) -> list[str]:
    """Outcome, method, what, before, after, change with interval, p."""
    if verdict.outcome == NOT_COMPARABLE:
        change, p = verdict.remark, "-"
        before = "-"
    else:
        change = f"{_signed(-verdict.loss)} [{_signed(-verdict.high)},{_signed(-verdict.low)}]"
        p = f"{verdict.p:.2g}" if verdict.p >= 0.0005 else "<0.0005"
        before = f"{100 * verdict.before:.1f}"
    outcome = verdict.outcome + (" (!)" if verdict.remark and verdict.outcome == SAME else "")
    after = f"{100 * verdict.after:.1f}"
    return [outcome, verdict.method, verdict.what, before, after, change, p]


def _signed(share: float) -> str:
    """Points with their sign, and no minus before nothing."""
    return f"{round(100 * share, 1) + 0.0:+.1f}"


_HEADER = ["", "method", "cell", "before", "now", "points [95 %]", "p"]


def _table(verdicts: Sequence[Verdict]) -> list[str]:
    rows = [_HEADER, *map(_cells, verdicts)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADER))]
    return [
        "  ".join(
            c.rjust(w) if i > 2 else c.ljust(w)
            for i, (c, w) in enumerate(zip(r, widths, strict=True))
        ).rstrip()
        for r in rows
    ]


def _markdown(verdicts: Sequence[Verdict]) -> list[str]:
    header = "| " + " | ".join(["outcome", *_HEADER[1:]]) + " |"
    rows = ["| " + " | ".join(map(_escape, _cells(v))) + " |" for v in verdicts]
    return [header, "|---|---|---|--:|--:|--:|--:|", *rows]


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
