"""Sample images and thumbnails: every corruption, every training of a restorer, the same bytes."""

import io
from types import SimpleNamespace

import numpy as np
import torch
from PIL import Image

import robobench
from robobench.corruptions import catalogue
from robobench.evaluation.samples import _restorers
from robobench.reports.builder import compose
from robobench.results.merging import merge
from robobench.results.run import load


def listed(folder, method, trained_on, shade):
    """Strips of all 19 corruptions as a restorer left them."""
    found = []
    for name in ("clean", *catalogue.GROUPS["all"]):
        file = f"samples/{name}_{method}{trained_on}.png"
        Image.fromarray(np.full((8, 48, 3), shade, np.uint8)).save(folder / file)
        level = 0.0 if name == "clean" else catalogue.at_severity(name, 3, "cifar-c").level
        entry = {"file": file, "corruption": name, "level": level, "method": method}
        found.append({**entry, "trained_on": trained_on})
    return found


def test_each_training_of_a_restorer_is_shown_under_all_corruptions(tmp_path, write_run):
    write_run(tmp_path, ("org",), images=20)
    run = load(tmp_path)
    run.manifest["samples"] = [
        *listed(tmp_path, "arcnn", "jpeg_compression", 40),
        *listed(tmp_path, "arcnn", "noise", 200),
    ]
    blocks = compose([run], ["samples"]).parts[0].blocks[1:]
    for trained_on, shade in (("jpeg_compression", 40), ("noise", 200)):
        mine = [b for b in blocks if b.name.startswith(f"samples-arcnn-{trained_on}-")]
        assert [name for b in mine for name, _ in b.rows] == list(catalogue.GROUPS["all"])
        for block in mine:
            for _, pictures in block.rows:
                for picture in pictures:
                    assert np.unique(Image.open(io.BytesIO(picture.png))) == [shade]
    assert not any("figure" in vars(b) for b in blocks), "drawn in the style of what is written"
    assert blocks[0].figure.get_axes()


def test_two_trainings_of_one_restorer_have_files_of_their_own():
    def selected(name, trained_on, restores=True):
        kind = SimpleNamespace(restore=lambda images: images) if restores else SimpleNamespace()
        return SimpleNamespace(name=name, trained_on=trained_on, method=kind)

    methods = [selected("arcnn", "jpeg"), selected("arcnn", "noise"), selected("median", "")]
    plan = SimpleNamespace(grid=SimpleNamespace(methods=[*methods, selected("org", "", False)]))
    assert list(_restorers(plan)) == ["arcnn@jpeg", "arcnn@noise", "median"]


def test_a_run_keeps_thumbnails_of_its_images(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (30, 96, 96, 3), np.uint8)
    labels = np.arange(30) % 3
    network = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    again = []
    for folder in ("one", "two"):
        run = robobench.run(
            methods="org", corruptions="brightness", limit=24, backbone=network,
            dataset=(images, labels), mean=(0.5,) * 3, std=(0.5,) * 3, out=tmp_path / folder,
        )  # fmt: skip
        told = run.manifest["thumbnails"]
        again.append((run.folder / told["file"]).read_bytes())
    assert len(told["index"]) == 24
    assert (told["side"], told["columns"]) == (64, 20)
    assert Image.open(io.BytesIO(again[0])).size == (20 * 64, 2 * 64)
    assert again[0] == again[1]
    merged, _ = merge([tmp_path / "one", tmp_path / "two"], tmp_path / "merged")
    assert (merged.folder / merged.manifest["thumbnails"]["file"]).read_bytes() == again[0]
