"""Run README's first command and put its table and picture into README.md and docs/.

python docs/make_readme.py
"""

import io
import re
from pathlib import Path

import robobench
from robobench.analysis.console import print_summary
from robobench.reports.builder import draw

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Update README's result."""
    run = robobench.run(methods="afd,ddp", corruptions="jpeg,noise", out=ROOT / "runs" / "readme")
    table = io.StringIO()
    print_summary(run.summary(), run.manifest, file=table)
    draw([run], "severity", ROOT / "docs" / "severity.svg")
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    made = f"\\1\n{table.getvalue().strip()}\n\\2"
    text = re.sub(r"(<!-- result: .*? -->\n).*?(<!-- end -->)", made, text, flags=re.DOTALL)
    readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
