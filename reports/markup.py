"""One text for every format: backticks mark names, everything else is escaped."""

from __future__ import annotations

import html as _html
import json
import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Any

_CODE = re.compile(r"`([^`]*)`")
# What must not be broken across lines.
_PERCENT = re.compile(r"(\d) %")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*\b")

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
    '"': "{''}",  # \\textquotedbl is not in the fonts of every paper
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
    "\N{NO-BREAK SPACE}": "~",
    "\N{HORIZONTAL ELLIPSIS}": r"\ldots{}",
    "\N{RIGHTWARDS ARROW}": r"$\rightarrow$",
    "\N{LEFTWARDS ARROW}": r"$\leftarrow$",
    "\N{LESS-THAN OR EQUAL TO}": r"$\leq$",
    "\N{GREATER-THAN OR EQUAL TO}": r"$\geq$",
    "\N{ALMOST EQUAL TO}": r"$\approx$",
    "\N{MICRO SIGN}": r"$\mu$",
    "\N{DEGREE SIGN}": r"$^\circ$",
    "\N{MIDDLE DOT}": r"$\cdot$",
    "\N{BULLET}": r"$\bullet$",
    "\N{SUPERSCRIPT TWO}": r"$^2$",
    "\N{SUPERSCRIPT THREE}": r"$^3$",
    "\N{LEFT SINGLE QUOTATION MARK}": "`",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{LEFT DOUBLE QUOTATION MARK}": "``",
    "\N{RIGHT DOUBLE QUOTATION MARK}": "''",
}
_ACCENTS = dict(
    zip(
        "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327",
        "`'^~=u.\"rHvc",
        strict=True,
    )
)
_GREEK = {"lamda": "lambda", "final sigma": "varsigma"}  # where Unicode and TeX differ
_GREEK_AS_LATIN = (
    "omicron", "Alpha", "Beta", "Epsilon", "Zeta", "Eta", "Iota", "Kappa", "Mu", "Nu", "Omicron",
    "Rho", "Tau", "Chi",
)  # fmt: skip
# Where a long name may go on in the next line: after punctuation inside a word.
_BREAK = re.compile(r"(?<=\w)[/_,:;=+@-](?=\w)")
_CODE_POINTS = re.compile(r"\\texttt\{U\+[0-9A-F]+\}(?=\\texttt\{U\+)")
_PIECE = 10  # letters of a long word that stay together
_LONG_WORD = re.compile(r"[^\W_]{16,}")


def html(text: str) -> str:
    """For HTML, names in ``<code>``."""

    def plain(text: str) -> str:
        return _OPTION.sub(r'<span class="option">\g<0></span>', _html.escape(text))

    return _split(text, plain, lambda name: f"<code>{_html.escape(name)}</code>")


def script_json(data: Any) -> str:
    """Data as JSON in ASCII that no text in it can end the page's script element with."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=True).replace("<", "\\u003c")


def latex(text: str) -> str:
    r"""For LaTeX, names in ``\\texttt``, breakable after punctuation."""

    def plain(text: str) -> str:
        parts = re.split(f"({_OPTION.pattern})", text)
        return "".join(
            rf"\mbox{{{latex_plain(part)}}}" if place % 2 else latex_plain(part)
            for place, part in enumerate(parts)
        )

    return _split(text, plain, lambda name: rf"\texttt{{{latex_breakable(name)}}}")


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
    return _unjoined("".join(_letter(letter) for letter in unicodedata.normalize("NFC", text)))


def latex_breakable(text: str) -> str:
    """Likewise, breakable after punctuation and in long words: for paths, commands and digests."""
    text = unicodedata.normalize("NFC", text)
    breaks = {match.start() for match in _BREAK.finditer(text)}
    for word in _LONG_WORD.finditer(text):
        breaks |= set(range(word.start() + _PIECE - 1, word.end() - 4, _PIECE))
    return _unjoined(
        "".join(
            _letter(letter) + (r"\allowbreak{}" if place in breaks else "")
            for place, letter in enumerate(text)
        )
    )


def _unjoined(text: str) -> str:
    """Keep hyphens apart, of which LaTeX would make a dash; break lines between code points."""
    return _CODE_POINTS.sub(r"\g<0>\\allowbreak{}", text.replace("--", "-{}-"))


def _letter(letter: str) -> str:
    if letter in _LATEX:
        return _LATEX[letter]
    if letter.isspace():
        return " "
    # ASCII and the letters of Latin-1 are in every T1 font; nothing beyond is safe to assume.
    if " " <= letter <= "~" or "\u00c0" <= letter <= "\u00ff":
        return letter
    if letter.isprintable():
        return _accented(letter) or _greek(letter) or rf"\texttt{{{code_point(letter)}}}"
    return ""


def code_point(letter: str) -> str:
    """What LaTeX shows in place of a letter that it lacks: ``U+540D``."""
    return f"U+{ord(letter):04X}"


@lru_cache(maxsize=8192)
def is_lacking(letter: str) -> bool:
    """Whether LaTeX lacks a letter."""
    return code_point(letter) in _letter(letter)


def _accented(letter: str) -> str:
    """A letter with one accent as a command, which fonts without it compose."""
    base, *marks = tuple(unicodedata.normalize("NFD", letter))
    if len(marks) == 1 and base.isascii() and marks[0] in _ACCENTS:
        return rf"\{_ACCENTS[marks[0]]}{{{base}}}"
    return ""


def _greek(letter: str) -> str:
    """A Greek letter as a symbol of mathematics."""
    found = re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER ([A-Z ]+)", unicodedata.name(letter, ""))
    if found is None or " WITH " in found[2]:
        return ""
    name = _GREEK.get(found[2].lower(), found[2].lower())
    name = name.capitalize() if found[1] == "CAPITAL" else name
    return "" if name in _GREEK_AS_LATIN else rf"$\{name}$"


def markdown_plain(text: str) -> str:
    """Text escaped for Markdown, on one line."""
    return re.sub(r"([\\`*_|<>\[\]])", r"\\\1", text.replace("\n", " "))
