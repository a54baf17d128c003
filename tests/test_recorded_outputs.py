"""An output that changes needs a new version: recorded outputs of everything that is built in.

Other processors round differently now and then (fused multiply-adds, convolutions), so values are
compared within what that makes, not bit by bit. WebP and AVIF are what an encoder outside makes of
them: recorded for each of its releases that is in use, and of another release only resembled.
"""

import numpy as np
import pytest
import recorded_outputs as recorded

from robobench.registry import CORRUPTIONS, METHODS
from robobench.registry.versions import version_of

OUTPUTS, VERSIONS = recorded.read()
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
    key = recorded.corruption_key(name)
    if key not in OUTPUTS and key.endswith(")"):
        others = [k for k in OUTPUTS if k.startswith(key.partition("(")[0])]
        assert any(alike(OUTPUTS[k], now) for k in others), f"{key} is unlike {others}"
    else:
        compare(key, now, CORRUPTIONS.entry(name), close_pixels)


def alike(then, now):
    """Whether two releases of an encoder keep about as much of the image at quality 50 and 95."""
    away = np.abs(then.astype(int) - now.astype(int)).mean(axis=(1, 2, 3))
    return then.shape == now.shape and bool((away[1::3] < 12).all() and (away[2::3] < 3).all())


def test_an_unknown_release_of_an_encoder_is_held_against_the_known_ones(monkeypatch):
    known = {k: v for k, v in OUTPUTS.items() if k.startswith("corruption avif")}
    one, *others = known
    assert all(alike(known[one], known[other]) for other in others)
    monkeypatch.setattr(CORRUPTIONS.entry("avif"), "options", {"version": "1 (libavif 99)"})
    monkeypatch.setattr(recorded, "corruption_outputs", lambda name: known[one])
    test_corruptions_give_what_their_version_gave("avif")
    monkeypatch.setattr(recorded, "corruption_outputs", lambda name: np.roll(known[one], 1, axis=0))
    with pytest.raises(AssertionError, match="is unlike"):
        test_corruptions_give_what_their_version_gave("avif")


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
