"""Weights that are lost, damaged or cannot be written, and cards that say something else."""

import json
import os
from pathlib import Path

import pytest
from edges import ending

from robobench.errors import RobobenchError
from robobench.training import trainer
from robobench.training.trainer import TrainingRequest, train_one
from robobench.types import Card
from robobench.weights import storage
from robobench.weights.classifiers import load_backbone
from robobench.weights.readiness import readiness
from robobench.weights.selection import select

LIST = ["list", "weights"]


def truncate(card):
    file = card.with_suffix(".safetensors")
    file.write_bytes(file.read_bytes()[:5000])


def lose(card):
    card.with_suffix(".safetensors").unlink()


def change(card):
    """Another setting in the card than was trained with."""
    text = json.loads(card.read_text())
    text["recipe"]["network"]["channels"] = 9
    card.write_text(json.dumps(text))


@pytest.fixture
def kept():
    """The card of weights in the user's folder: those that are shipped of `afd`."""
    (shipped,) = storage.find("afd", dataset="shapes10", trained_on="jpeg_compression")
    for file in (shipped, shipped.with_suffix(".safetensors")):
        (storage.user_folder() / file.name).write_bytes(file.read_bytes())
    return storage.user_folder() / shipped.name


@pytest.mark.parametrize("harm", [truncate, lose])
def test_a_run_says_how_to_get_weights_back(harm, kept):
    harm(kept)
    with pytest.raises(RobobenchError) as caught:
        storage.load(kept)
    told = str(caught.value)
    assert "; restore the files or train again: `robobench train --method afd " in told
    assert told.endswith(" --again`")
    assert "\n" not in told


@pytest.mark.parametrize("harm", [truncate, lose, change])
def test_what_is_damaged_is_trained_again(harm, brief):
    request = TrainingRequest(limit=40, precision="fp32", keep_anyway=True)
    made = train_one(request, "afd", "jpeg_compression")
    assert not train_one(request, "afd", "jpeg_compression").trained
    harm(made.card)
    told = []
    again = train_one(request, "afd", "jpeg_compression", tell=told.append)
    assert (again.trained, again.card) == (True, made.card)
    storage.load(made.card)
    (line,) = told
    assert made.card.stem in line
    assert line.endswith("; training again")
    assert not train_one(request, "afd", "jpeg_compression", tell=told.append).trained
    assert len(told) == 1


def test_a_training_on_a_whole_split_looks_at_the_weights_as_well(kept, monkeypatch):
    assert train_one(TrainingRequest(), "afd", "jpeg").card == kept
    lose(kept)

    def opened(*_, **__):
        raise RobobenchError("images are opened")

    monkeypatch.setattr(trainer, "open_pools", opened)
    with pytest.raises(RobobenchError, match="images are opened"):
        train_one(TrainingRequest(), "afd", "jpeg")


@pytest.mark.parametrize("text", ['{"a": 1}', "[1, 2]", '{"format": 1}', '"text"'])
def test_other_files_next_to_weights_are_left_alone(text, kept):
    (kept.parent / "readme.json").write_text(text)
    assert kept in dict(storage.cards())
    assert storage.find("afd")[0] == kept


def test_a_card_whose_weights_are_lost_is_still_a_card(kept):
    lose(kept)
    assert storage.find("afd")[0] == kept


@pytest.mark.parametrize(
    "text", ['{"format": 1, "method": "afd"}', '{"form', "\udcff", "[" * 100_000]
)
def test_a_broken_card_matters_to_its_method_only(text, kept, capsys):
    broken = kept.with_name("shapes10-vgg-tiny-afd-fog-s0.json")
    broken.write_bytes(text.encode(errors="surrogateescape"))
    for call in (lambda: storage.find("afd"), lambda: list(storage.cards())):
        with pytest.raises(RobobenchError, match=f"^card {broken} .*delete") as caught:
            call()
        assert "\n" not in str(caught.value)
    assert storage.find("ddp")
    backbone = load_backbone("vgg-tiny", dataset="shapes10")
    assert select("median", dataset="shapes10", backbone=backbone, corruptions=["fog"])
    states = dict(readiness("shapes10"))
    assert states["afd"].startswith(f"not ready: card {broken}")
    assert states["ddp"].startswith("ready: trained on")
    assert str(broken) in ending(LIST, capsys)[1]


@pytest.mark.parametrize("name", Card.__dataclass_fields__)
def test_every_field_of_a_card_has_its_type(name, kept, capsys):
    card = json.loads(kept.read_text())
    card[name] = {"str": 3, "int": "ten", "float": True}.get(Card.__annotations__[name], "ten")
    kept.write_text(json.dumps(card))
    with pytest.raises(RobobenchError, match=f"^card {kept}.*{name}.*expected") as caught:
        storage.read_card(kept)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("images_count", "ten", "images_count: expected a whole number, got 'ten' (str)"),
        ("images_count", 1.5, "images_count: expected a whole number, got '1.5' (float)"),
        ("train_seed", True, "train_seed: expected a whole number, got 'True' (bool)"),
        ("accuracy", {"agreement": None}, "accuracy.agreement: expected a number, got 'None'"),
        ("class_names", ["a", 1], "class_names[1]: expected text, got '1' (int)"),
        ("recipe", [], "recipe: expected an object, got '[]' (list)"),
        ("file", "../other.safetensors", "file: expected the name of a file next to the card"),
        ("file", "", "file: expected the name of a file next to the card, got ''"),
    ],
)
def test_a_value_of_another_type_is_named(name, value, told, kept, capsys):
    kept.write_text(json.dumps({**json.loads(kept.read_text()), name: value}))
    code, line = ending(LIST, capsys)
    assert code == 2
    assert f"card {kept}: {told}" in line
    assert line.endswith("; correct it, or delete the card and train these weights again")


def _unwritable(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "gone" / "far")
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o500)
    return [file, file / "in" / "it", link, Path("/proc/nosuch"), locked, locked / "in"]


@pytest.mark.parametrize("number", range(6))
def test_a_folder_that_cannot_be_written_is_told_before_any_work(
    number, tmp_path, monkeypatch, capsys
):
    folder = _unwritable(tmp_path)[number]
    if "proc" in folder.parts and not Path("/proc").is_dir():
        pytest.skip("there is no /proc")
    if "locked" in folder.parts and os.access(tmp_path / "locked", os.W_OK):
        pytest.skip("this user writes everywhere")
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setenv("ROBOBENCH_WEIGHTS", str(folder))
    monkeypatch.setattr(trainer, "open_pools", lambda *_, **__: pytest.fail("images are opened"))
    train = ["train", "--method", "ddp", "--trained-on", "jpeg"]
    for more in (
        ["--limit", "30"],
        ["--again"],
        ["--limit", "30", "--again"],
        ["--trained-on", "fog"],
    ):
        code, line = ending([*train, *more], capsys)
        assert code == 2
        assert f"weights cannot be written to {folder}: " in line
        assert "set ROBOBENCH_WEIGHTS to a folder" in line
        assert "Errno" not in line
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_need_not_be_writable_for_what_is_there(brief, monkeypatch):
    request = TrainingRequest(limit=40, precision="fp32", keep_anyway=True)
    made = train_one(request, "afd", "jpeg_compression")

    def refuse(folder):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(storage, "check_writable", refuse)
    assert train_one(request, "afd", "jpeg_compression") == trainer.TrainingResult(
        made.card, trained=False
    )
    assert not train_one(TrainingRequest(), "ddp", "jpeg").trained
    with pytest.raises(RobobenchError, match="Permission denied; set ROBOBENCH_WEIGHTS"):
        train_one(request, "ddp", "fog")
