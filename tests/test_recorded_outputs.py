"""An output that changes needs a new version: recorded outputs of everything that is built in.

Other processors round differently now and then (fused multiply-adds, convolutions), so values are
compared within what that makes, not bit by bit.
"""

import json

import numpy as np
import pytest
import recorded_outputs as recorded

from robobench.registry import CORRUPTIONS, METHODS
from robobench.registry.versions import version_of

with np.load(recorded.FILE) as file:
    OUTPUTS = {name: file[name] for name in file.files}
VERSIONS = json.loads(OUTPUTS.pop("versions").tobytes())
ANEW = "and record it: python tests/recorded_outputs.py"


def compare(key, now, entry, close):
    assert key in OUTPUTS, f"{key} is new: python tests/recorded_outputs.py records it"
    then, known, version = OUTPUTS[key], VERSIONS[key], version_of(entry)
    assert version == known, f"{key} has version {version}, recorded is {known}: record it {ANEW}"
    same = then.shape == now.shape and close(then, now)
    assert same, f"{key} gives other outputs than version {known}: raise its version {ANEW}"


def close_pixels(then, now):
    away = np.abs(then.astype(int) - now.astype(int))
    return bool((away > 1).mean() < 0.002 and (away > 0).mean() < 0.02)


@pytest.mark.parametrize("name", recorded.built_in_corruptions())
def test_corruptions_give_what_their_version_gave(name):
    now = recorded.corruption_outputs(name)
    compare(f"corruption {name}", now, CORRUPTIONS.entry(name), close_pixels)


@pytest.mark.parametrize("case", list(recorded.shipped()), ids=lambda case: recorded.label(*case))
def test_shipped_methods_give_what_their_version_gave(case):
    now = recorded.method_outputs(*case)
    entry = METHODS.entry(case[0].partition("@")[0])
    compare(
        f"method {recorded.label(*case)}",
        now,
        entry,
        lambda then, now: bool(np.abs(then - now).max() < 2e-3),
    )


def test_a_changed_kernel_is_found(monkeypatch):
    entry = CORRUPTIONS.entry("brightness")
    kernel = CORRUPTIONS["brightness"]
    changed = lambda images, level, keys: kernel(images, 1.02 * level, keys)
    monkeypatch.setattr(entry, "target", changed)
    with pytest.raises(AssertionError, match="raise its version"):
        test_corruptions_give_what_their_version_gave("brightness")
