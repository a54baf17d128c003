"""Check that a call is refused with one helpful line."""

import pytest

from robobench.errors import RobobenchError
from robobench.weights.classifiers import load_backbone


def refused(words, function, *args, **options):
    """The call must fail in one line that holds all these words."""
    with pytest.raises(RobobenchError) as caught:
        function(*args, **options)
    text = str(caught.value)
    assert "\n" not in text
    for word in [words] if isinstance(words, str) else words:
        assert word in text
    return text


def refused_backbone(name, message, **settings):
    """A classifier that is refused, in one line that matches."""
    with pytest.raises(RobobenchError, match=message) as caught:
        load_backbone(name, **settings)
    assert "\n" not in str(caught.value)
