"""For mkdocstrings: docstrings of robobench as Markdown.

Examples that doctest runs become blocks of code, and the ``::`` before an indented block a colon.
"""

import re

import griffe

_EXAMPLE = re.compile(r"(?:^>>> .*\n?(?:^(?!\s*$).*\n?)*)+", re.MULTILINE)


def as_markdown(docstring: str) -> str:
    """A docstring whose examples are in fences."""
    fenced = _EXAMPLE.sub(lambda found: f"```pycon\n{found[0].rstrip()}\n```\n", docstring)
    return re.sub(r"::$", ":", fenced, flags=re.MULTILINE)


class Docstrings(griffe.Extension):
    """Rewrites each docstring before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Called for every module, class, function and attribute."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)
