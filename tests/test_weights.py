import json
from dataclasses import replace
from importlib.metadata import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import robobench
from robobench.backbones.backbone import Backbone
from robobench.backbones.vgg import Shape, Vgg
from robobench.errors import MissingWeights, RobobenchError
from robobench.training.origin import origin
from robobench.types import Card, Context, Geometry
from robobench.weights import storage
from robobench.weights.coverage import covers, suggest_trainings
from robobench.weights.selection import select


def card(**changes):
    base = Card(
        method="afd",
        belongs_to="plugin",
        layer="stem",
        dataset="shapes10",
        backbone="vgg-tiny",
        backbone_digest="abc",
        trained_on="jpeg_compression",
        train_seed=0,
        digest="",
        file="",
        command="robobench train",
        recipe={"steps": 1},
        images="two images",
        accuracy={"fidelity": 0.5},
        parameters=0,
        minutes=0.1,
        versions={"torch": "2"},
    )
    return replace(base, **changes)


def store(**changes):
    """The path of the card of some weights in the user's folder."""
    mark = float(len(changes.get("trained_on", "")))
    return storage.save(card(**changes), {"a": torch.arange(3.0), "b": torch.full((2, 2), mark)})


def classifier(digest):
    return SimpleNamespace(digest=digest, geometry=Geometry())


def test_what_was_saved_is_loaded():
    path = store()
    loaded = storage.load(path)
    assert loaded.card.parameters == 7
    assert loaded.card.file == "shapes10-vgg-tiny-afd-jpeg_compression-s0-5488613c.safetensors"
    assert loaded.card.digest == storage.digest_of_file(path.with_name(loaded.card.file))
    assert torch.equal(loaded.tensors["a"], torch.arange(3.0))
    assert {p.suffix for p in path.parent.iterdir()} == {".json", ".safetensors"}


def test_a_card_without_a_licence_still_loads():
    path = store()
    old = json.loads(path.read_text())
    del old["license"], old["source"]
    path.write_text(json.dumps(old))
    assert storage.load(path).card.license == ""


def test_weights_inherit_the_licence_of_what_they_start_from(tmp_path):
    alone = origin({"architecture": "vgg-tiny"}, None, "shapes10", "vgg-tiny")
    assert alone == ("Apache-2.0", "trained by robobench, from no weights but its own")
    network = {"start": "org, tensors sha256 1"}
    license_, source = origin(network, None, "cifar10", "resnet-56")
    assert license_ == "Apache-2.0 AND BSD-2-Clause"
    assert "akamaster/pytorch_resnet_cifar10" in source
    found = storage.find("org", dataset="cifar10", backbone_name="resnet-56")[0]
    found = found.with_suffix(".safetensors")
    assert origin({"start": found.name}, found, "cifar100", "resnet-56") == (license_, source)
    foreign = origin({"start": "own.pt, sha256 1"}, tmp_path / "own.pt", "cifar10", "resnet-56")
    assert foreign == ("", "starts from own.pt, sha256 1, whose licence holds")


def test_shipped_weights_say_their_licence_and_source():
    cards = list(storage.cards())
    assert len(cards) > 20
    for path, told in cards:
        published = "resnet-56" in path.name
        assert told.license == ("Apache-2.0 AND BSD-2-Clause" if published else "Apache-2.0"), path
        assert ("akamaster" in told.source) == published, path
    assert "Yerlan Idelbayev" in Path(__file__).parents[1].joinpath("NOTICE").read_text()
    assert {"LICENSE", "NOTICE"} <= set(metadata("robobench").get_all("License-File"))


def test_a_damaged_file_is_refused():
    path = store()
    file = path.with_suffix(".safetensors")
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    with pytest.raises(RobobenchError, match="damaged or was replaced"):
        storage.load(path)


def test_settings_are_part_of_the_digest_and_cannot_be_changed_in_the_card():
    first = storage.load(store(recipe={"network": {"caution": 0.2}})).card
    path = store(recipe={"network": {"caution": 0.1}})
    assert storage.load(path).card.digest != first.digest
    numbered = {10: (1, 2), 9: 0.5}
    assert storage.load(store(recipe={"network": numbered})).card.recipe["network"]["10"] == [1, 2]
    path = store(recipe={"network": {"caution": 0.1}})
    path.write_text(path.read_text().replace("0.1", "0.3"))
    with pytest.raises(
        RobobenchError, match=r'network was changed .* with \{"caution": 0\.1\}; restore'
    ):
        storage.load(path)


def test_a_missing_file_is_named():
    path = store()
    path.with_suffix(".safetensors").unlink()
    with pytest.raises(RobobenchError, match=r"\.safetensors cannot be read"):
        storage.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:40], "cannot be read"),
        (lambda text: json.dumps({"method": "afd"}), "incomplete"),
        (lambda text: json.dumps({**json.loads(text), "format": 9}), "format 9, expected 1"),
        (lambda text: json.dumps([1]), "incomplete"),
    ],
)
def test_a_broken_card_is_refused_in_one_line(change, message):
    path = store()
    path.write_text(change(path.read_text()))
    with pytest.raises(RobobenchError, match=message) as caught:
        storage.find("afd")
    assert "\n" not in str(caught.value)


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ROBOBENCH_WEIGHTS", str(tmp_path / "file" / "in"))
    with pytest.raises(RobobenchError, match="cannot be written"):
        store()


def test_plugins_belong_to_the_digest_of_their_backbone_only():
    path = store(dataset="elsewhere")
    assert storage.find("afd", dataset="shapes10", backbone=classifier("abc")) == [path]
    assert storage.find("afd", dataset="shapes10", backbone=classifier("abd")) == []


def test_classifiers_belong_to_data_set_and_architecture():
    path = store(
        method="jpg", belongs_to="classifier", dataset="tiny-imagenet", backbone="vgg-small"
    )
    wanted = {"backbone_name": "vgg-small", "backbone": classifier("whatever")}
    assert storage.find("jpg", dataset="tiny-imagenet", **wanted) == [path]
    assert storage.find("jpg", dataset="imagenet", **wanted) == []
    assert storage.base_dataset("cifar100-c") == "cifar100"
    assert storage.find("jpg", dataset="tiny-imagenet", backbone_name="vgg-tiny") == []


def test_restorers_belong_to_a_data_set_and_to_no_backbone():
    path = store(method="arcnn", belongs_to="restorer", dataset="tiny-imagenet", backbone="")
    assert storage.find("arcnn", dataset="tiny-imagenet", backbone=classifier("any")) == [path]
    assert storage.find("arcnn", dataset="imagenet") == []


def test_the_users_folder_comes_first():
    (shipped,) = storage.find("jpg", dataset="shapes10", backbone_name="vgg-tiny")
    own = storage.save(replace(storage.read_card(shipped)), dict(storage.load(shipped).tensors))
    found = storage.find("jpg", dataset="shapes10", backbone_name="vgg-tiny")
    assert found == [own, shipped]


def test_every_shipped_file_has_a_card_that_holds():
    for place in storage.search_path()[1:]:
        files = {p.stem for p in place.glob("*.safetensors")}
        cards = {p.stem for p in place.glob("*.json")}
        assert files == cards
        for path in place.glob("*.json"):
            loaded = storage.load(path)
            assert loaded.card.command.startswith("robobench train --method")
            assert loaded.card.accuracy
            assert "/" not in loaded.card.images


def test_shipped_plugins_fit_the_shipped_backbone():
    from robobench.weights.classifiers import load_backbone

    digest = load_backbone("vgg-tiny", dataset="shapes10").digest
    for _, one in storage.cards():
        if one.belongs_to == "plugin" and one.backbone == "vgg-tiny":
            assert one.backbone_digest == digest


@pytest.mark.parametrize(
    ("training", "corruption", "covered"),
    [
        ("jpeg_compression", "jpeg_compression", True),
        ("noise", "shot_noise", True),
        ("noise", "jpeg_compression", False),
        ("clean", "jpeg_compression", False),
        ("noise", "gaussian_noise+shot_noise", True),
        ("noise", "gaussian_noise+jpeg_compression", False),
        ("all", "gaussian_noise+jpeg_compression", True),
        ("gaussian_noise+jpeg_compression", "gaussian_noise+jpeg_compression", True),
    ],
)
def test_what_a_training_covers(training, corruption, covered):
    assert covers(training, corruption) is covered


@pytest.mark.parametrize(
    ("corruptions", "trainings"),
    [
        (["jpeg_compression"], ["jpeg_compression"]),
        (["gaussian_noise", "shot_noise", "jpeg_compression"], ["jpeg_compression", "noise"]),
        (["fog"], ["fog"]),
        (["fog", "contrast", "defocus_blur", "shot_noise"], ["common"]),
        (["fog", "contrast", "saturate", "shot_noise"], ["all"]),
    ],
)
def test_few_trainings_are_suggested(corruptions, trainings):
    assert suggest_trainings(corruptions) == trainings


@pytest.fixture
def backbone():
    torch.manual_seed(0)
    return Backbone(
        Vgg(Shape((4, 8)), 3),
        name="own.py:net",
        geometry=Geometry(crop=16),
        command="--backbone own.py:net",
    )


NOISE = ["gaussian_noise", "shot_noise", "impulse_noise"]


def chosen(spec, backbone, corruptions, dataset="shapes10", **options):
    return select(spec, dataset=dataset, backbone=backbone, corruptions=corruptions, **options)


def test_modules_of_another_layer_are_not_taken(backbone):
    store(layer="elsewhere", trained_on="jpeg_compression", backbone_digest=backbone.digest)
    with pytest.raises(MissingWeights):
        chosen("afd", backbone, ["jpeg_compression"])
    path = store(trained_on="jpeg_compression", backbone_digest=backbone.digest)
    assert chosen("afd", backbone, ["jpeg_compression"]).cards == {"": path}


def test_modules_of_images_prepared_otherwise_are_not_taken(backbone):
    given = {"trained_on": "jpeg_compression", "backbone_digest": backbone.digest}
    small = replace(backbone.geometry, crop=8)
    other = store(**given, preparation=storage.preparation_of(small))
    with pytest.raises(MissingWeights, match="prepared otherwise, no-resize-crop8: --resize"):
        chosen("afd", backbone, ["jpeg_compression"])
    path = store(**given, preparation=storage.preparation_of(backbone.geometry))
    assert chosen("afd", backbone, ["jpeg_compression"]).cards == {"": path}
    assert other != path


def test_weights_that_cover_everything_are_taken(backbone):
    digest = backbone.digest
    store(backbone_digest=digest, trained_on="common")
    narrow = store(backbone_digest=digest, trained_on="noise")
    selected = chosen("afd", backbone, ["clean", "shot_noise"])
    assert (selected.trained_on, selected.is_bank) == ("noise", False)
    assert selected.cards == {"": narrow}


def test_the_bank_takes_the_most_specific_for_each(backbone):
    digest = backbone.digest
    paths = {
        on: store(backbone_digest=digest, trained_on=on)
        for on in ("noise", "shot_noise", "jpeg_compression")
    }
    selected = chosen("afd@matched", backbone, [*NOISE, "jpeg_compression"])
    assert selected.is_bank
    with pytest.raises(MissingWeights, match="or afd@matched: one of those here") as caught:
        chosen("afd", backbone, [*NOISE, "jpeg_compression"])
    assert caught.value.trainings == ("common",)
    assert selected.cards == {
        "gaussian_noise": paths["noise"],
        "shot_noise": paths["shot_noise"],
        "impulse_noise": paths["noise"],
        "jpeg_compression": paths["jpeg_compression"],
    }
    assert "gaussian_noise, impulse_noise: the one for noise" in selected.line
    assert selected.digest("clean") == backbone.digest
    assert selected.digest("shot_noise") != selected.digest("gaussian_noise")


def test_weights_that_are_named_are_used_on_everything(backbone):
    path = store(backbone_digest=backbone.digest)
    selected = chosen("afd@jpeg", backbone, NOISE)
    assert (selected.trained_on, selected.cards) == ("jpeg_compression", {"": path})


def test_the_bank_can_be_asked_for(backbone):
    store(backbone_digest=backbone.digest)
    assert chosen("afd@matched", backbone, ["jpeg_compression"]).is_bank


def test_missing_weights_tell_the_command_and_its_time(backbone):
    with pytest.raises(MissingWeights) as caught:
        chosen("afd@matched", backbone, [*NOISE, "jpeg_compression"])
    text = str(caught.value)
    assert (
        "`robobench train --method afd --dataset shapes10 --backbone own.py:net "
        "--trained-on jpeg_compression,noise`" in text
    )
    assert "minutes" in text
    assert "one of those here" not in text
    assert caught.value.trainings == ("jpeg_compression", "noise")


def test_own_photographs_need_a_folder_of_images(backbone):
    with pytest.raises(MissingWeights) as caught:
        chosen(
            "ddp", backbone, ["jpeg_compression"], "folder:mine", command="--dataset folder:/a/mine"
        )
    assert (
        "--dataset folder:/a/mine --backbone own.py:net --images DIR --trained-on jpeg_compression"
        in str(caught.value)
    )
    assert str(caught.value).endswith("; DIR holds any photographs, ten are enough")
    with pytest.raises(MissingWeights, match=r"--limit 100`.*any photographs, 100 or more$"):
        chosen("ddp@jpeg#100", backbone, ["jpeg_compression"], "folder:mine")
    with pytest.raises(MissingWeights, match="one sub-folder per class"):
        chosen("jpg", backbone, ["jpeg_compression"], "folder:mine")


def test_only_what_is_missing_is_asked_for(backbone):
    store(backbone_digest=backbone.digest)
    with pytest.raises(MissingWeights) as caught:
        chosen("afd@matched", backbone, [*NOISE, "jpeg_compression"])
    assert caught.value.trainings == ("noise",)


def test_a_plain_name_asks_for_one_training_of_all(backbone):
    for corruptions, training in (
        (["shot_noise"], "shot_noise"),
        (["jpeg_compression", "shot_noise"], "jpeg_compression/shot_noise"),
        (NOISE, "noise"),
        (["jpeg_compression", "spatter", *NOISE], "all"),
        (["fog+jpeg_compression"], "fog/jpeg_compression"),
    ):
        with pytest.raises(MissingWeights) as caught:
            chosen("afd", backbone, corruptions)
        assert caught.value.trainings == (training,)


def test_a_method_that_is_defined_by_its_training_takes_no_other(backbone):
    with pytest.raises(RobobenchError, match="jpg is trained on jpeg_compression"):
        chosen("jpg@noise", backbone, ["jpeg_compression"])


def test_what_needs_no_training_needs_no_weights(backbone):
    assert chosen("median", backbone, NOISE).trained_on == ""
    selected = chosen("org", backbone, NOISE, train_seed=2)
    assert (selected.trained_on, selected.train_seed) == ("clean", 2)
    assert selected.digest("anything") == backbone.digest
    assert isinstance(selected.method, robobench.Method)


def test_plugins_are_refused_where_nothing_can_be_plugged_in(toy):
    backbone = Backbone(toy["backbone"], name="toy")
    with pytest.raises(RobobenchError, match="afd cannot be plugged in"):
        chosen("afd", backbone, ["jpeg_compression"])


def test_a_bank_leaves_clean_images_alone_and_is_an_oracle():
    from robobench.weights.classifiers import load_backbone

    backbone = load_backbone("vgg-tiny", dataset="shapes10")
    selected = chosen("afd@matched", backbone, ["jpeg_compression", "shot_noise"])
    method = selected.method
    assert method.needs == {"corruption"}
    images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    with torch.inference_mode():
        clean = method.predict(images, Context(corruption="clean"))
        stem = backbone.stem(images)
        again = method.from_stem(stem, images, Context(corruption="clean"))
        jpeg = method.from_stem(stem, images, Context(corruption="jpeg_compression"))
        noise = method.from_stem(stem, images, Context(corruption="shot_noise"))
    torch.testing.assert_close(clean, backbone(images))
    torch.testing.assert_close(again, backbone(images))
    assert not torch.allclose(jpeg, clean)
    assert not torch.allclose(jpeg, noise)
    with pytest.raises(RobobenchError, match="no module for fog"):
        method.predict(images, Context(corruption="fog"))
