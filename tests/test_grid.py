"""Selectors and lists become cells: each once, clean first, equal levels equal cells."""

from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from robobench.corruptions import catalogue
from robobench.errors import RobobenchError
from robobench.evaluation.configuration import Configuration
from robobench.evaluation.grid import (
    Grid,
    parse_corruptions,
    parse_whole_numbers,
    saved_as_jpeg85,
    split_list,
)
from robobench.evaluation.plan import prepare
from robobench.types import Geometry


def parse(text, severities=(1, 2, 3, 4, 5), profile="cifar-c"):
    return parse_corruptions(text, severities, profile)


def test_lists_drop_blanks_and_repetitions():
    assert split_list(" a, b,,a ") == ["a", "b"]
    assert split_list(["x", "y"]) == ["x", "y"]


@pytest.mark.parametrize(
    ("text", "numbers"), [("1-5", [1, 2, 3, 4, 5]), ("1,3,3", [1, 3]), ("2", [2]), (4, [4])]
)
def test_whole_numbers(text, numbers):
    assert parse_whole_numbers(text, "--severities", 1, 5) == numbers


@pytest.mark.parametrize("text", ["0-5", "1-6", "five", "", "5-1", "1.5"])
def test_bad_numbers_say_what_was_expected(text):
    with pytest.raises(RobobenchError, match=r"--severities: .*expected"):
        parse_whole_numbers(text, "--severities", 1, 5)


def test_severities_become_native_levels():
    found = parse("jpeg")
    assert [d.corruption for d in found] == ["jpeg_compression"] * 5
    assert [d.level for d in found] == [80, 65, 58, 50, 40]
    assert parse("jpeg", profile="imagenet-c")[0].level == 25


def test_an_equal_level_is_an_equal_cell():
    assert parse("jpeg:80") == parse("jpeg", severities=(1,))
    assert len(parse("jpeg,jpeg:80,jpeg_compression")) == 5


def test_sweeps():
    assert [d.level for d in parse("jpeg:1-100")] == list(range(1, 101))
    assert [d.level for d in parse("jpeg:10-90/40")] == [10, 50, 90]
    assert [d.level for d in parse("gaussian_noise:0-50/25")] == [0, 25, 50]


def test_groups_and_mixtures():
    assert {d.corruption for d in parse("noise")} == set(catalogue.GROUPS["noise"])
    assert len({d.corruption for d in parse("common")}) == 15
    assert len({d.corruption for d in parse("all")}) == 19
    mixed = parse("gaussian_noise+jpeg")
    assert {d.corruption for d in mixed} == {"gaussian_noise+jpeg_compression"}
    assert mixed != parse("jpeg+gaussian_noise")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("jpg", "did you mean 'jpeg"),
        ("jpeg:0", "1"),
        ("jpeg:1-200", "100"),
        ("jpeg:ten", "levels are written like"),
        ("jpeg:90-10", "LOW <= HIGH"),
        ("jpeg:10-90/0", "STEP > 0"),
        ("fog:3", "fog"),
        ("", "at least one is expected"),
    ],
)
def test_bad_selectors_say_what_would_work(text, message):
    with pytest.raises(RobobenchError, match=message) as caught:
        parse(text)
    assert "\n" not in str(caught.value)


@dataclass(frozen=True)
class Selected:
    """Stands in for a `SelectedMethod`, whose weights would have to be on disk."""

    name: str
    trained_on: str
    digests: dict
    refused: str = ""
    compiled: str = ""
    backbone = SimpleNamespace(name="net", label="net", geometry=Geometry(), version="")
    version = layer = ""
    train_seed = 0

    def digest(self, corruption):
        return self.digests.get(corruption, "o")

    def refuses(self, corruption):
        return corruption == self.refused


def grid(degradations, seeds=(0,)):
    bank = Selected("afd", "matched", {"jpeg_compression": "j"})
    plain = Selected("org", "clean", {}, refused="fog")
    return Grid("toy", "test", "as-is", "crop", tuple(degradations), (plain, bank), seeds)


def test_cells_begin_with_clean_and_carry_the_weights_of_their_corruption():
    cells = grid(parse("jpeg", severities=(1,))).cells()
    assert [(c.corruption, c.method, c.weights) for c in cells] == [
        ("clean", "org", "o"),
        ("clean", "afd", "o"),
        ("jpeg_compression", "org", "o"),
        ("jpeg_compression", "afd", "j"),
    ]


def test_only_random_corruptions_run_for_every_seed():
    conditions = grid(parse("jpeg,gaussian_noise", severities=(1,)), seeds=(0, 1)).conditions()
    assert [(d.corruption, s) for d, s in conditions] == [
        ("clean", 0),
        ("jpeg_compression", 0),
        ("gaussian_noise", 0),
        ("gaussian_noise", 1),
    ]


def test_what_is_not_applicable_has_no_cell():
    cells = grid(parse("fog", severities=(1,))).cells()
    assert [c.method for c in cells] == ["org", "afd", "afd"]


def test_saving_as_jpeg_is_another_cell():
    plain = parse("jpeg,fog", severities=(1,))
    assert not set(plain) & set(saved_as_jpeg85(plain))


def test_the_severity_table_is_told_where_one_was_chosen(tmp_path):
    for place in (tmp_path / "pets" / str(k) for k in range(4)):
        place.mkdir(parents=True)
        Image.new("RGB", (40, 40), (200, 100, 50)).save(place / "a.png")
    network = torch.nn.Sequential(
        torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, 4)
    )

    def notes(corruptions, **options):
        asked = {
            "dataset": f"folder:{tmp_path / 'pets'}",
            "backbone": "mean",
            "methods": "org",
        } | options
        asked |= {"corruptions": corruptions, "out": str(tmp_path / "run")}
        return " ".join(prepare(Configuration(**asked), module=network).notes)

    assert "Severities are those of the profile cifar-c" in notes("jpeg:7,fog")
    assert "Severities" not in notes("jpeg:7,fog", profile="cifar-c")
    assert "Severities" not in notes("jpeg:7,clean")
