"""The result of a check as JUnit XML, for any CI."""

from xml.etree import ElementTree

from robobench.checking.verdict import MISSING, NOT_COMPARABLE, WORSE, CheckResult, Verdict


def as_junit(result: CheckResult) -> bytes:
    """JUnit XML: a test case for each method's mean and for each cell; failed where worse or missing."""
    everything = [*result.means, *result.cells]
    failing = {WORSE} if result.allow_missing else {WORSE, MISSING}
    skipping = {NOT_COMPARABLE, MISSING} - failing
    failures, skipped = (
        sum(v.outcome in outcomes for v in everything) for outcomes in (failing, skipping)
    )
    suites, suite = _suites(tests=len(everything), failures=failures, errors=0, skipped=skipped)
    for verdict in everything:
        name = {"classname": f"robobench.{verdict.method}", "name": verdict.what, "time": "0"}
        case = ElementTree.SubElement(suite, "testcase", name)
        told = _told(verdict)
        if verdict.outcome == WORSE:
            how = " (unpaired)" if verdict.is_unpaired else ""
            message = {"message": f"loses {100 * verdict.loss:.1f} points{how}", "type": "worse"}
            ElementTree.SubElement(case, "failure", message).text = told
        elif verdict.outcome in failing:
            message = {"message": verdict.remark, "type": verdict.outcome}
            ElementTree.SubElement(case, "failure", message)
        elif verdict.outcome in skipping:
            ElementTree.SubElement(case, "skipped", {"message": verdict.remark})
        else:
            ElementTree.SubElement(case, "system-out").text = told
    if result.notes:
        ElementTree.SubElement(suite, "system-out").text = "\n".join(result.notes)
    return _document(suites)


def refused_as_junit(reason: str) -> bytes:
    """JUnit XML of a check that could not be made: one test case, with an error."""
    suites, suite = _suites(tests=1, failures=0, errors=1, skipped=0)
    name = {"classname": "robobench", "name": "comparable", "time": "0"}
    case = ElementTree.SubElement(suite, "testcase", name)
    ElementTree.SubElement(case, "error", {"message": reason, "type": "refused"})
    return _document(suites)


def _suites(**counts: int) -> tuple[ElementTree.Element, ElementTree.Element]:
    """The document with its one suite, each with the numbers of test cases by outcome."""
    told = {outcome: str(count) for outcome, count in counts.items()}
    suites = ElementTree.Element("testsuites", {"name": "robobench", **told})
    return suites, ElementTree.SubElement(suites, "testsuite", {"name": "robobench check", **told})


def _document(suites: ElementTree.Element) -> bytes:
    ElementTree.indent(suites)
    document: bytes = ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _told(verdict: Verdict) -> str:
    remark = f"; {verdict.remark}" if verdict.remark else ""
    images = f"{verdict.count} images"
    if verdict.is_unpaired:
        images += f", unpaired with {verdict.baseline_count} of the baseline"
    return (
        f"accuracy {100 * verdict.before:.2f} -> {100 * verdict.after:.2f} % on {images}: "
        f"{verdict.outcome} (loss {100 * verdict.loss:.2f} points, 95 % interval "
        f"{100 * verdict.low:.2f} to {100 * verdict.high:.2f}, adjusted p {verdict.p:.3g}){remark}"
    )
