"""One text for every format: backticks mark names, everything else is escaped."""

from __future__ import annotations

import html as _html
import re
from collections.abc import Callable

_CODE = re.compile(r"`([^`]*)`")
_PERCENT = re.compile(r"(\d) %")  # must not be broken across lines

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    "[": "{[}",  # at the start of a row it would be an argument of the line break before it
    "]": "{]}",
    "\N{MINUS SIGN}": "$-$",
    "\N{EN DASH}": r"\textendash{}",
    "\N{EM DASH}": r"\textemdash{}",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
    "\N{DAGGER}": r"\textdagger{}",
    "\N{DOUBLE DAGGER}": r"\textdaggerdbl{}",
    "\N{SECTION SIGN}": r"\S{}",
    "\N{GREEK SMALL LETTER SIGMA}": r"$\sigma$",
    "\N{NO-BREAK SPACE}": "~",
}
# Where a long name may go on in the next line: after punctuation inside a word.
_BREAK = re.compile(r"(?<=\w)[/_,:;=+@-](?=\w)")


def html(text: str) -> str:
    """For HTML, names in ``<code>``."""
    return _split(text, _html.escape, lambda name: f"<code>{_html.escape(name)}</code>")


def latex(text: str) -> str:
    r"""For LaTeX, names in ``\\texttt``, breakable after punctuation."""
    return _split(text, latex_plain, lambda name: rf"\texttt{{{latex_breakable(name)}}}")


def markdown(text: str) -> str:
    """For GitHub's Markdown; backticks stay."""
    return _split(text, markdown_plain, lambda name: f"`{name}`")


def _split(text: str, plain: Callable[[str], str], code: Callable[[str], str]) -> str:
    parts = _CODE.split(_PERCENT.sub("\\1\N{NO-BREAK SPACE}%", text))
    return "".join(code(part) if place % 2 else plain(part) for place, part in enumerate(parts))


def latex_plain(text: str) -> str:
    r"""Text escaped for LaTeX; a character that pdflatex lacks becomes its code point.

    >>> latex_plain("50% of a_b")
    '50\\% of a\\_b'
    """
    return _unjoined("".join(_letter(letter) for letter in text))


def latex_breakable(text: str) -> str:
    """Likewise, breakable after punctuation: for paths, commands and digests."""
    breaks = {match.start() for match in _BREAK.finditer(text)}
    return _unjoined(
        "".join(
            _letter(letter) + (r"\allowbreak{}" if place in breaks else "")
            for place, letter in enumerate(text)
        )
    )


def _unjoined(text: str) -> str:
    """Keep consecutive hyphens apart: LaTeX would set the two before an option as one dash."""
    return text.replace("--", "-{}-")


def _letter(letter: str) -> str:
    if letter in _LATEX:
        return _LATEX[letter]
    if letter.isspace():
        return " "
    # ASCII and the letters of Latin-1 are in every T1 font; nothing beyond is safe to assume.
    if " " <= letter <= "~" or "\u00c0" <= letter <= "\u00ff":
        return letter
    return rf"\texttt{{U+{ord(letter):04X}}}" if letter.isprintable() else ""


def markdown_plain(text: str) -> str:
    """Text escaped for Markdown, on one line."""
    return re.sub(r"([\\`*_|<>\[\]])", r"\\\1", text.replace("\n", " "))
