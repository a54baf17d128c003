"""Check that a call is refused with one helpful line."""

import pytest

from robobench.errors import RobobenchError


def refused(words, function, *args, **options):
    """The call must fail in one line that holds all these words."""
    with pytest.raises(RobobenchError) as caught:
        function(*args, **options)
    text = str(caught.value)
    assert "\n" not in text
    for word in [words] if isinstance(words, str) else words:
        assert word in text
    return text
