"""Several classifiers in one run: names, geometries, methods that fit only some, and mistakes."""

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from robobench import run
from robobench.backbones.own import own_network
from robobench.cli import cli
from robobench.errors import RobobenchError
from robobench.evaluation.classifiers import one_each, prepare_all
from robobench.evaluation.configuration import Configuration
from robobench.evaluation.images import ImageSource

OPAQUE = """
import torch

class Mean(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.last = torch.nn.Linear(3, 10)

    def forward(self, images):
        return self.last(images.mean((2, 3)))

def factory():
    torch.manual_seed(0)
    return Mean()
"""
SMALL = {"methods": "org,median", "corruptions": "brightness,jpeg", "severities": "3", "limit": 60}


@pytest.fixture
def models(tmp_path):
    (tmp_path / "opaque.py").write_text(OPAQUE, encoding="utf-8")
    file = tmp_path / "models.toml"
    file.write_text(
        '[ours]\nbackbone = "vgg-tiny"\n\n[mean]\n'
        f'backbone = "{tmp_path}/opaque.py:factory"\nmean = [0.5, 0.5, 0.5]\n',
        encoding="utf-8",
    )
    return file


def test_two_classifiers_give_what_each_gives_alone(tmp_path, models, monkeypatch):
    counted = []
    batch = ImageSource.batch
    monkeypatch.setattr(
        ImageSource, "batch", lambda *args: counted.append(args[3:]) or batch(*args)
    )
    monkeypatch.setattr("robobench.evaluation.timing.time_methods", lambda *_: [])
    both = run(**SMALL, models=str(models), out=tmp_path / "both")
    conditions = len(counted)
    assert {(c.backbone, c.method) for c in both.cells} == {
        (b, m) for b in ("ours", "mean") for m in ("org", "median")
    }
    alone = run(**SMALL, label="ours", out=tmp_path / "alone")
    assert conditions == len(counted) - conditions  # degraded once for both
    for cell in alone.cells:
        ours, same = both.predictions(cell), alone.predictions(cell)
        assert np.array_equal(ours.predicted, same.predicted)
    assert set(both.manifest["backbones"]) == {"ours", "mean"}
    assert both.manifest["backbones"]["ours"]["name"] == "vgg-tiny"
    assert set(both.frame["backbone"]) == {"ours", "mean"}


def test_each_has_its_own_geometry_in_one_folder(tmp_path):
    file = tmp_path / "models.toml"
    file.write_text(
        '[whole]\nbackbone = "vgg-tiny"\n[enlarged]\nbackbone = "vgg-tiny"\nresize = 40\n'
        'crop = 32\n', encoding="utf-8",
    )  # fmt: skip
    plans = prepare_all(Configuration(**SMALL, models=str(file), out=str(tmp_path / "run")))
    assert [plan.source.geometry.resize for plan in plans] == [None, 40]
    done = run(**SMALL, models=str(file), out=tmp_path / "run")
    assert len({cell.geometry for cell in done.cells}) == 2
    assert len(done.cells) == 12 == done.manifest["cells"]
    again = run(**SMALL, models=str(file), out=tmp_path / "run")
    assert len(again.manifest["sessions"]) == 4
    assert [s["cells"] for s in again.manifest["sessions"]] == [6, 6, 0, 0]
    with pytest.raises(RobobenchError, match="holds a run with the geometry of whole"):
        run(**SMALL, label="whole", resize=40, crop=32, out=tmp_path / "run")


def test_other_weights_or_another_normalisation_are_refused_in_one_folder(tmp_path):
    def files(seed):
        torch.manual_seed(seed)
        save_file(own_network("vgg-tiny", 10).state_dict(), tmp_path / f"{seed}.safetensors")
        return str(tmp_path / f"{seed}.safetensors")

    settings = SMALL | {"methods": "org", "backbone": "vgg-tiny", "out": tmp_path / "run"}
    done = run(**settings, weights=files(0))
    again = run(**settings, weights=files(0))
    assert len(again.cells) == len(done.cells)
    with pytest.raises(RobobenchError, match=r"holds a run with the weights of vgg-tiny \w{12},"):
        run(**settings, weights=files(1))
    with pytest.raises(RobobenchError, match="holds a run with the weights of vgg-tiny"):
        run(**settings)
    with pytest.raises(RobobenchError, match="holds a run with the mean and deviation of vgg-tiny"):
        run(**settings, weights=files(0), mean=(0.1, 0.1, 0.1))


def test_a_method_that_fits_only_one_is_left_out_on_the_other(tmp_path, models):
    settings = SMALL | {"methods": "afd@jpeg", "corruptions": "jpeg"}
    done = run(**settings, models=str(models), out=tmp_path / "run")
    assert {(c.backbone, c.method) for c in done.cells} == {
        ("ours", "org"), ("ours", "afd"), ("mean", "org"),
    }  # fmt: skip
    assert any("Left out on mean: afd cannot" in note for note in done.manifest["notes"])
    with pytest.raises(RobobenchError, match="cannot be plugged in"):
        run(**settings, backbone=f"{models.parent}/opaque.py:factory", out=tmp_path / "one")


def test_the_same_network_with_two_files_has_two_names(tmp_path):
    configuration = Configuration(backbone="timm:a, timm:a", weights="x/first.pt,", out="o")
    found = one_each(configuration)
    assert [one.label for one in found] == ["timm:a (first)", "timm:a (its own)"]
    assert [one.weights for one in found] == ["x/first.pt", None]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"backbone": "vgg-tiny,"}, "one is empty"),
        ({"backbone": "vgg-tiny,resnet-20", "weights": "a"}, "one file for each of the 2"),
        ({"backbone": "vgg-tiny,vgg-tiny"}, "would both be called vgg-tiny"),
        ({"models": "missing.toml"}, "--models missing.toml: No such file"),
        ({"models": "m.toml", "backbone": "vgg-tiny"}, "leave out --backbone"),
        ({"models": "m.toml", "resize": 4}, "leave out --resize"),
    ],
)
def test_mistakes_are_named(settings, words):
    with pytest.raises(RobobenchError, match=words):
        prepare_all(Configuration(**settings))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it has none"),
        ("x = 3", "expected a table"),
        ("[a]", "expected a line such as backbone"),
        ("[a", "not valid TOML"),
        ('[a]\nbackbones = "vgg-tiny"', "did you mean 'backbone'"),
        ('[a]\nbackbone = "vgg-tiny"\nresize = 3.5', "--models .*: a: resize: expected"),
        ('[a]\nbackbone = "vgg-tiny"\nmean = [1, 2]', "--models .*: a: mean: expected three"),
        ('[a]\nbackbone = "vgg-tiny"\nweights = "no.pt"\n[b]\nbackbone = "vgg-tiny"', "no.pt"),
    ],
)  # fmt: skip
def test_mistakes_in_the_file_are_named(tmp_path, text, words):
    file = tmp_path / "models.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RobobenchError, match=words):
        prepare_all(Configuration(models=str(file)))


def test_the_command_says_which_is_which(tmp_path, models):
    command = (
        f"run --methods org --corruptions brightness --severities 1 --limit 30 --models {models}"
    )
    done = CliRunner().invoke(cli, [*command.split(), "--out", str(tmp_path / "run"), "--dry-run"])
    assert done.exit_code == 0, done.output
    assert "ours, org" in done.output
    assert "mean, org" in done.output
    assert "4 cells of 30 images" in done.output
