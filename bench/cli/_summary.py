"""Writing Markdown where a continuous integration shows it."""

from __future__ import annotations

import os
from pathlib import Path


def append_summary(path: str, text: str) -> None:
    """Write a file; GitHub's own is appended to, since other steps of the job write there too."""
    from robobench.files import write_aside

    file = Path(path)
    before = ""
    if path == os.environ.get("GITHUB_STEP_SUMMARY") and file.is_file():
        before = file.read_text(encoding="utf-8")
    write_aside(file, (before + text).encode(), "--summary")
