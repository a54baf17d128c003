"""The result of a check as JUnit XML, for any CI."""

from xml.etree import ElementTree

from robobench.checking.check import NOT_COMPARABLE, WORSE, CheckResult, Verdict


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


def _told(verdict: Verdict) -> str:
    remark = f"; {verdict.remark}" if verdict.remark else ""
    return (
        f"accuracy {100 * verdict.before:.2f} -> {100 * verdict.after:.2f} % on {verdict.count} "
        f"images: {verdict.outcome} (loss {100 * verdict.loss:.2f} points, 95 % interval "
        f"{100 * verdict.low:.2f} to {100 * verdict.high:.2f}, adjusted p {verdict.p:.3g}){remark}"
    )
