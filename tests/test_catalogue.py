"""Names, groups, levels and profiles of corruptions, without running one."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from robobench.corruptions import catalogue
from robobench.corruptions.catalogue import (
    GROUPS,
    PROFILE_SIZES,
    at_level,
    at_severity,
    severity_of,
)
from robobench.errors import RobobenchError
from robobench.registry import CORRUPTIONS
from robobench.types import Degradation


def test_groups_are_registered_and_complete():
    assert len(GROUPS["common"]) == 15
    assert len(GROUPS["all"]) == 19
    for names in GROUPS.values():
        assert all(name in CORRUPTIONS for name in names)
    for group in ("noise", "blur", "weather", "digital", "extra", "c-bar", "geometry"):
        for name in GROUPS[group]:
            assert catalogue.option(name, "group", "") == group
    c_bar, geometry = catalogue.expand("c-bar"), catalogue.expand("geometry")
    assert (len(c_bar), len(geometry)) == (10, 9)
    done = subprocess.run(  # in a new process: nothing but names and groups is loaded there
        [sys.executable, "-m", "robobench", "list", "corruptions"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    listed = done.stdout.partition("\ngroups\n")[2]
    code = "from robobench.corruptions.catalogue import minimum; print(minimum('sparkles'))"
    alone = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert alone.stdout.strip() == "8"  # an argument that its file takes from elsewhere
    told = {line.split()[0] for line in listed.splitlines() if not line.startswith(" ")}
    assert told == set(GROUPS)
    others = {"multi_jpeg", "webp", "avif", *c_bar, *geometry}
    assert {*GROUPS["all"], *others} == set(CORRUPTIONS.names())


def test_expand():
    assert catalogue.expand("jpeg") == ("jpeg_compression",)
    assert catalogue.expand("noise") == ("gaussian_noise", "shot_noise", "impulse_noise")
    assert catalogue.expand("gaussian_noise+jpeg") == ("gaussian_noise+jpeg_compression",)
    with pytest.raises(RobobenchError, match="did you mean 'snow'"):
        catalogue.expand("snwo")
    with pytest.raises(RobobenchError, match="did you mean"):
        catalogue.expand("fog+jpge")


@pytest.mark.parametrize(
    ("profile", "published"),
    [
        ("imagenet-c", {"jpeg": 25, "gaussian_noise": 0.08 * 255, "shot_noise": 60, "contrast": 0.4,
                        "pixelate": 0.6, "impulse_noise": 0.03, "speckle_noise": 0.15,
                        "gaussian_blur": 1, "brightness": 0.1}),
        ("cifar-c", {"jpeg": 80, "gaussian_noise": 0.04 * 255, "shot_noise": 500, "contrast": 0.75,
                     "pixelate": 0.95, "impulse_noise": 0.01, "speckle_noise": 0.06,
                     "gaussian_blur": 0.4, "brightness": 0.05}),
        ("tiny-imagenet-c", {"jpeg": 65, "gaussian_noise": 0.04 * 255, "shot_noise": 250}),
        ("inception-c", {"jpeg": 23, "gaussian_noise": 0.09 * 255, "shot_noise": 50}),
    ],
)  # fmt: skip
def test_severities_become_native_levels(profile, published):
    for name, level in published.items():
        made = at_severity(name, 1, profile)
        assert made.level == pytest.approx(level, rel=1e-12)
        assert made.profile == ""
        assert at_level(name, made.level) == made
        assert severity_of(made, profile) == 1


@pytest.mark.parametrize("profile", PROFILE_SIZES)
def test_every_table_has_five_levels(profile):
    for name in GROUPS["all"]:
        assert len(catalogue.severity_table(name, profile)) == 5
        for severity in range(1, 6):
            made = at_severity(name, severity, profile)
            assert severity_of(made, profile) == severity
            assert made.profile == ("" if catalogue.native(name) else profile)
            saved = at_severity(name, severity, f"{profile}+jpeg85")
            assert saved.profile.endswith("+jpeg85")
            assert severity_of(saved, profile) == severity


def test_equal_levels_are_equal_cells():
    assert at_severity("jpeg", 1, "imagenet-c") == at_severity("jpeg", 5, "tiny-imagenet-c")
    assert at_severity("jpeg", 4, "imagenet-c") == at_level("jpeg_compression", 10)
    assert severity_of(at_level("jpeg", 11), "imagenet-c") is None
    assert severity_of(Degradation("clean"), "imagenet-c") is None
    assert severity_of(at_level("webp", 10), "imagenet-c") is None


def test_mixtures_share_the_severity():
    made = at_severity("fog+jpeg", 2, "cifar-c")
    assert made == Degradation("fog+jpeg_compression", 2.0, "cifar-c")
    assert severity_of(made, "cifar-c") == 2
    assert catalogue.native("fog+jpeg") is None
    assert catalogue.is_random("jpeg+fog")
    assert not catalogue.is_random("jpeg+contrast")
    assert not catalogue.is_random("clean")


def test_native_units():
    quality = catalogue.native("jpeg")
    assert (quality.low, quality.high, quality.integer) == (1, 100, True)
    sigma = catalogue.native("gaussian_noise")
    assert (sigma.low, sigma.high, sigma.unit) == (0, 50, "sigma on 0..255")
    assert at_severity("gaussian_noise", 5, "imagenet-c").level == 96.9  # beyond the sweep
    assert catalogue.native("fog") is None


def test_other_engine_keeps_the_severity():
    made = at_severity("jpeg", 3, "imagecorruptions")
    assert made == Degradation("jpeg_compression", 3.0, "imagecorruptions")
    assert severity_of(made, "imagecorruptions") == 3


@pytest.mark.parametrize(
    ("size", "profile"),
    [(8, "cifar-c"), (32, "cifar-c"), (64, "tiny-imagenet-c"), (160, "imagenet-c"),
     (224, "imagenet-c"), (299, "inception-c"), (2000, "inception-c")],
)  # fmt: skip
def test_nearest_profile(size, profile):
    assert catalogue.nearest_profile(size) == profile


def test_documentation_has_todays_names():
    path = Path(__file__).parent.parent / "docs" / "make_corruptions.py"
    spec = importlib.util.spec_from_file_location("make_corruptions", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = module.PAGE.read_text(encoding="utf-8")
    assert module.page(text) == text, "run python docs/make_corruptions.py"
