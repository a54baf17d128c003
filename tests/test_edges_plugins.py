"""What plug-ins answer besides predictions, the names they may have, and whole models as weights."""

import json
import re
import shlex
import warnings

import pytest
import torch
from edges import ending

from robobench.backbones.own import own_network
from robobench.cli import _built_in, _exit_code
from robobench.corruptions.catalogue import GROUPS
from robobench.errors import RobobenchError
from robobench.registry import COMMANDS, CORRUPTIONS
from robobench.registry.names import announce

RUN = "run --corruptions jpeg --severities 1 --limit 10 --no-report --methods mine --out"
METHOD = """
import sys, robobench
@robobench.method("mine")
class Mine(robobench.Method):
    def predict(self, images, context):
        return self.backbone(images)
    {part}
"""
PARTS = {
    "cost": ("def cost(self): {}", "a robobench.Cost"),
    "notes": ("notes = property(lambda self: {})", "a tuple of sentences"),
    "applies_to": ("applies_to = classmethod(lambda cls, corruption: {})", "True or False"),
}
RAISES = ("1 / 0", "sys.exit(0)")


@pytest.fixture
def run(tmp_path, registered, capsys):
    """Run with a plug-in's method."""

    def run(source):
        file = tmp_path / "added.py"
        file.write_text(source)
        return ending([*RUN.split(), tmp_path / "out", "--plugin", file], capsys)

    return run


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("body", [*RAISES, "'high'"])
def test_what_a_method_says_of_itself_is_checked(part, body, run, tmp_path):
    text, expected = PARTS[part]
    if part == "cost" and body not in RAISES:
        body = f"return {body}"
    code, line = run(METHOD.format(part=text.format(body)))
    assert code == 2
    assert "'mine'" in line
    assert f"{part}" in line
    if "high" in body:
        assert f"expected {expected}, got str" in line
    else:
        assert "raised " in line
    assert not (tmp_path / "out").exists()


def test_a_list_of_predictions_is_refused_in_words(run):
    code, line = run(METHOD.format(part="predict = lambda self, images, context: [1, 2]"))
    assert code == 4
    assert "predict returned a list, expected a float Tensor, images x 10 classes" in line


# Names


@pytest.mark.parametrize("name", ["clean", "common", "noise", "all"])
def test_a_corruption_has_not_the_name_of_a_group(name, registered, run):
    code, line = run(
        f"import robobench\n@robobench.corruption({name!r})\ndef mine(images, level, keys): pass\n"
    )
    assert code == 2
    assert f"corruption {name!r}" in line
    assert "choose another name" in line


def test_the_names_of_groups_are_those_of_the_catalogue():
    assert set(CORRUPTIONS.reserved) == {"clean", *GROUPS}


def test_groups_and_corruptions_of_plugins_have_different_names(registered):
    CORRUPTIONS.register("darker", group="light")(lambda images, level, keys: images)
    with pytest.raises(RobobenchError, match=r"'light' of .* is the group of darker"):
        CORRUPTIONS.register("light")(lambda images, level, keys: images)
    with pytest.raises(RobobenchError, match=r"'dim': .*group 'darker'|its group 'darker'"):
        CORRUPTIONS.register("dim", group="darker")(lambda images, level, keys: images)


@pytest.mark.parametrize("name", ["run", "list"])
def test_an_installed_command_has_not_the_name_of_a_built_in_one(
    name, tmp_path, monkeypatch, registered
):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / f"installed_{name}.py").write_text(
        f"import click, robobench\n@robobench.command('{name}')\n@click.command()\ndef mine(): pass\n"
    )
    with pytest.raises(
        RobobenchError, match=f"command '{name}' of installed_{name}.mine is a comm"
    ):
        announce(f"installed_{name}")
    assert set(COMMANDS.reserved) == set(_built_in())


# Weights


@pytest.mark.parametrize("how", ["zip", "legacy", "inside", "script"])
def test_a_whole_model_is_no_state_dict_and_runs_no_code(how, tmp_path, capsys):
    network, file = own_network("vgg-tiny", 10), tmp_path / "model.pth"
    if how == "script":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TorchScript is deprecated
            torch.jit.trace(network.eval(), torch.zeros(1, 3, 32, 32)).save(file)
    else:
        saved = {"model": network} if how == "inside" else network
        torch.save(saved, file, _use_new_zipfile_serialization=how != "legacy")
    code, line = ending(["run", "--weights", file, "--out", tmp_path / "out"], capsys)
    assert code == 2
    assert f"--weights {file}: this is a whole model" in line
    assert "save its state_dict()" in line


def test_another_pickle_is_not_called_a_model(tmp_path, capsys):
    file = tmp_path / "model.pth"
    torch.save({"function": ending}, file)
    code, line = ending(["run", "--weights", file, "--out", tmp_path / "out"], capsys)
    assert code == 2
    assert "whole model" not in line
    assert "expected a safetensors file" in line


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"hello", "it begins as neither does"),
        (None, "this is a folder"),
        (b"\x80\x02", "expected"),
    ],
)
def test_what_is_no_file_of_weights_is_called_so(content, said, tmp_path, capsys):
    file = tmp_path / "model.pth"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    code, line = ending(["run", "--weights", file, "--out", tmp_path / "out"], capsys)
    assert code == 2
    assert said in line


# Training what is missing

TRAINED = """
import robobench
from robobench.types import Recipe
@robobench.method("mine"{options})
class Mine(robobench.Method):
    weights_of = "plugin"
    def predict(self, images, context):
        return self.backbone(images)
    @classmethod
    def recipes(cls, backbone):
        return Recipe(steps=1, batch=2, rate=1e-3, minutes=1).in_lengths()
    @classmethod
    def fit(cls, task):
        import torch
        from robobench.training.fitting import Fit
        task.save({{"nothing": torch.zeros(1)}}, Fit({{"minus_rms": 0.0}}, 0.0, "fp32"), {{}})
"""


def test_the_proposed_command_works_as_it_stands(tmp_path, registered, capsys):
    file = tmp_path / "my 'own' method.py"
    file.write_text(TRAINED.format(options=""))
    words = [*RUN.split(), tmp_path / "out", "--plugin", file]
    code, line = ending(words, capsys)
    assert code == 2
    proposed = shlex.split(re.search(r"`(robobench train .*)` trains", line)[1])
    assert proposed[0] == "robobench"
    assert ["--plugin", str(file)] == proposed[4:6]
    assert _exit_code(proposed[1:]) == 0
    assert "mine@jpeg_compression: trained" in " ".join(capsys.readouterr().out.split())
    assert _exit_code([str(w) for w in words]) == 0
    assert _exit_code(proposed[1:]) == 0
    assert "nothing was trained: all weights were there" in capsys.readouterr().out


def test_the_proposed_command_names_classes_and_quotes(tmp_path, registered, capsys):
    from PIL import Image

    photos = tmp_path / "my photos"
    for k in range(10):
        (photos / f"c{k}").mkdir(parents=True)
        Image.new("RGB", (32, 32), (20 * k, 9, 9)).save(photos / f"c{k}" / "a.png")
    weights = tmp_path / "own weights.pth"
    torch.save(own_network("vgg-tiny", 10).state_dict(), weights)
    words = ["--dataset", f"folder:{photos}", "--classes", "sorted", "--backbone", "vgg-tiny"]
    words += ["--weights", str(weights)]
    run = ["run", *words, "--methods", "afd", "--corruptions", "jpeg", "--out", str(tmp_path / "o")]
    code, line = ending(run, capsys)
    assert code == 2
    proposed = shlex.split(re.search(r"`(robobench train .*)` trains", line)[1])
    assert all(word in proposed for word in words)


def test_a_method_that_names_no_training_is_not_trained_in_silence(tmp_path, registered, capsys):
    file = tmp_path / "added.py"
    file.write_text(TRAINED.format(options=""))
    code, line = ending(["train", "--plugin", file, "--method", "mine"], capsys)
    assert code == 2
    assert "nothing to train: mine names no training of its own: add --trained-on" in line


# Notes of a folder that is continued


def test_the_note_on_invalid_probabilities_stays_right_when_continued(tmp_path, registered, capsys):
    file = tmp_path / "added.py"
    part = "predict = lambda self, images, context: self.backbone(images) * float('nan')"
    file.write_text(METHOD.format(part=part))
    out = ["--plugin", str(file), "--out", str(tmp_path / "out")]
    run = ["run", "--severities", "1", "--limit", "10", "--no-report", "--methods"]
    for more in (["mine", "--corruptions", "jpeg"], ["org", "--corruptions", "jpeg,fog"]):
        assert _exit_code([*run, *more, *out]) == 0
    notes = json.loads((tmp_path / "out" / "manifest.json").read_text())["notes"]
    (note,) = [n for n in notes if "NaN" in n]
    assert note.startswith("mine gave no valid probabilities (NaN) for 100.00%")
