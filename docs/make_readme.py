"""Run README's first command and put its table and picture into README.md and docs/.

python docs/make_readme.py
"""

import io
from pathlib import Path

import robobench
from robobench.reports.console_summary import print_results
from robobench.reports.single_plot import draw

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Update README's result."""
    run = robobench.run(methods="afd,ddp", corruptions="jpeg,noise", out=ROOT / "runs" / "readme")
    table = io.StringIO()
    print_results(run, file=table)
    draw([run], "severity", ROOT / "docs" / "severity.svg")
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    begin = text.index("-->\n", text.index("<!-- result: ")) + len("-->\n")
    end = text.index("<!-- end -->")
    made = f"\n{table.getvalue().strip()}\n"
    readme.write_text(text[:begin] + made + text[end:], encoding="utf-8")


if __name__ == "__main__":
    main()
