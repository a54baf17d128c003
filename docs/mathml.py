"""For MkDocs: formulas become MathML, which browsers draw without a script or a request."""

import re
from html import unescape

from latex2mathml.converter import convert

_INLINE = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.DOTALL)
_BLOCK = re.compile(r'<div class="arithmatex">\s*\\\[(.*?)\\\]\s*</div>', re.DOTALL)


def on_page_content(html: str, **_: object) -> str:
    """Called by MkDocs with the HTML of each page."""
    drawn = _INLINE.sub(lambda found: convert(unescape(found[1]), display="inline"), html)
    return _BLOCK.sub(lambda found: convert(unescape(found[1]), display="block"), drawn)
