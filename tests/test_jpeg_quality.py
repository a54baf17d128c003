"""The quality that was put in is the quality that is found: in pixels, in tables, in headers."""

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from robobench.corruptions import (
    apply,
    catalogue,
    quality_of_file,
    quality_of_tables,
    search_quality,
)
from robobench.corruptions.jpeg import round_trip
from robobench.datasets.arrays import ArrayDataset
from robobench.datasets.shapes10 import render
from robobench.errors import MissingWeights, RobobenchError
from robobench.evaluation.images import ImageSource
from robobench.registry import METHODS
from robobench.types import Context, Degradation, Geometry
from robobench.weights.classifiers import load_backbone
from robobench.weights.selection import select


def photographs(count, side, seed=0):
    """Photographs that scikit-image brings along, shrunk and cropped, uint8 N x 3 x H x W."""
    rng = np.random.default_rng(seed)
    originals = [data.astronaut(), data.coffee(), data.chelsea()]
    made = []
    for i in range(count):
        photo = Image.fromarray(originals[i % 3])
        shrunk = photo.resize((side * 2 + 7 * (i % 5), side * 2), Image.Resampling.LANCZOS)
        y, x = rng.integers(0, side, 2)
        made.append(np.array(shrunk)[y : y + side, x % 8 : x % 8 + side])
    return torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2).contiguous()


def shapes(count):
    return torch.from_numpy(render("test", range(count), 32)[0]).permute(0, 3, 1, 2).contiguous()


def saved(images, quality):
    return round_trip(images, torch.full((len(images),), quality))


@pytest.mark.parametrize(("side", "count"), [(32, 60), (64, 15), (224, 3)])
def test_the_quality_of_photographs_is_found(side, count):
    images = photographs(count, side)
    qualities = (5, 10, 20, 40, 60, 80, 90, 95, 99)
    found = torch.stack([search_quality(saved(images, quality)) for quality in qualities])
    assert found.dtype == torch.float32
    right = found == torch.tensor(qualities)[:, None]
    assert right.float().mean() > 0.99
    assert (found - torch.tensor(qualities)[:, None]).nan_to_num().abs().max() <= 2


def test_the_quality_of_drawn_shapes_is_found():
    for quality in (10, 30, 50, 75, 90):
        assert (search_quality(saved(shapes(60), quality)) == quality).float().mean() > 0.95


def test_what_was_never_compressed_is_recognised():
    for images in (photographs(60, 32), photographs(3, 224), shapes(100)):
        assert search_quality(images).isnan().all()
    noise = torch.randint(0, 256, (20, 3, 32, 32), dtype=torch.uint8)
    assert search_quality(noise).isnan().all()


def test_what_happened_afterwards_hides_it():
    compressed = saved(photographs(12, 48), 50)
    shifted = compressed[..., 3:35, 3:35]
    noisy = apply(compressed, catalogue.at_level("gaussian_noise", 8), torch.arange(12))
    # At a cut the neighbours that upsampling mixed in are gone: a few chroma blocks mislead.
    assert (search_quality(compressed[..., 16:, 16:]) - 50).abs().max() <= 1
    assert search_quality(shifted).isnan().all()
    assert search_quality(noisy).isnan().all()


def test_an_image_is_judged_alone():
    images = torch.cat([saved(photographs(6, 32), 30), photographs(6, 32), saved(shapes(6), 70)])
    together = search_quality(images)
    alone = torch.cat([search_quality(image[None]) for image in images])
    torch.testing.assert_close(together, alone, equal_nan=True, rtol=0, atol=0)
    before = images.clone()
    backwards = search_quality(images.flip(0))
    torch.testing.assert_close(backwards.flip(0), together, equal_nan=True, rtol=0, atol=0)
    assert torch.equal(images, before)


@pytest.mark.parametrize("size", [(9, 13), (8, 8), (15, 33), (33, 16), (41, 47), (16, 17)])
def test_odd_sizes(size):
    images = photographs(12, 48)[..., : size[0], : size[1]].contiguous()
    found = search_quality(saved(images, 40))
    assert found.shape == (12,)
    blocks = size[0] // 8 * (size[1] // 8)
    assert (found == 40).sum() >= (11 if blocks > 3 else 6 if blocks > 1 else 3)


@pytest.mark.parametrize("size", [(1, 1), (7, 20), (20, 3)])
def test_less_than_a_block_tells_nothing(size):
    assert search_quality(torch.zeros(2, 3, *size, dtype=torch.uint8)).isnan().all()
    assert search_quality(torch.zeros(0, 3, *size, dtype=torch.uint8)).shape == (0,)


def test_grey_images():
    grey = photographs(12, 32).float().mean(1, keepdim=True).to(torch.uint8).expand(-1, 3, -1, -1)
    assert search_quality(saved(grey.contiguous(), 60)).eq(60).all()
    assert search_quality(grey).isnan().all()


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (200, 30, 90)])
def test_one_colour_tells_nothing(colour):
    image = torch.tensor(colour, dtype=torch.uint8)[None, :, None, None].repeat(1, 1, 32, 32)
    assert search_quality(image).isnan().all()
    assert search_quality(saved(image, 50)).isnan().all()


def test_blocks_left_without_detail_do_not_look_finely_quantised():
    """Equal rows have coefficients of exactly 0, as a step of 1 would leave them."""
    found = search_quality(saved(photographs(6, 224), 3))
    assert (found - 3).abs().max() <= 2


def test_full_colour_resolution_does_not_mislead():
    found = []
    for image in photographs(12, 32):
        file = BytesIO()
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(
            file, "JPEG", quality=70, subsampling=0
        )
        back = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)
        found.append(search_quality(back[None]).item())
    assert found == [70] * 12


@pytest.mark.parametrize("images", [torch.zeros(2, 3, 8, 8), torch.zeros(3, 8, 8).byte()])
def test_other_tensors_are_refused(images):
    with pytest.raises(RobobenchError, match="expected torch uint8 N x 3 x H x W, got"):
        search_quality(images)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_header_of_a_file_tells(tmp_path, mode):
    picture = Image.fromarray(data.coffee()[:40, :40]).convert(mode)
    for quality in (1, *range(10, 101, 10)):
        path = tmp_path / f"{quality}.jpg"
        picture.save(path, quality=quality)
        for file in (path, str(path), path.read_bytes()):
            assert quality_of_file(file) == (quality, 0.0)


def test_foreign_tables_tell_how_foreign_they_are():
    file = BytesIO()
    Image.fromarray(data.coffee()[:16, :16]).save(file, "JPEG", quality=50)
    with Image.open(file) as image:
        own = {key: list(table) for key, table in image.quantization.items()}
    assert quality_of_tables(own) == (50, 0.0)
    own[0][5] += 8
    assert quality_of_tables(own) == (50, 8 / 128)
    assert quality_of_tables({0: [1] * 64}) == (100, 0.0)
    flat = quality_of_tables({0: [10] * 64, 1: [10] * 64})
    assert 50 < flat.quality < 100
    assert flat.residual > 1


@pytest.mark.parametrize(
    ("tables", "why"),
    [({}, "got none"), ({0: [1] * 63}, "got 63"), ({0: [1.5] * 64}, "got 64 of float64")],
)
def test_what_is_no_table_is_refused(tables, why):
    with pytest.raises(RobobenchError, match=why):
        quality_of_tables(tables)


def test_what_is_no_jpeg_is_refused_in_one_line(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "b.jpg").write_bytes(b"nothing")
    for file, why in (
        (tmp_path / "a.png", "got PNG"),
        (tmp_path / "b.jpg", "this is not an image"),
        (tmp_path / "c.jpg", "no such file"),
        (b"", "0 bytes: expected a JPEG"),
    ):
        with pytest.raises(RobobenchError, match=why) as caught:
            quality_of_file(file)
        assert "\n" not in str(caught.value)


def test_a_source_tells_the_header_that_an_image_would_have():
    pixels = np.zeros((4, 16, 16, 3), np.uint8)
    dataset = ArrayDataset(
        "toy", "test", images=pixels, labels=np.zeros(4, np.int64), class_names=("one",),
        profile="cifar-c", identify=lambda: "",
    )  # fmt: skip
    source = ImageSource(dataset, Geometry(), np.arange(4))
    some = np.array([0, 2])

    def told(degradation):
        (quality,) = set(source.header_quality(some, degradation).tolist())
        return quality

    assert told(Degradation("clean")) == 0
    assert told(catalogue.at_level("jpeg", 37)) == 37
    assert told(catalogue.at_level("gaussian_noise", 20)) == 0
    assert told(catalogue.at_severity("gaussian_noise+jpeg", 2, "cifar-c")) == 65
    assert told(catalogue.at_severity("jpeg+gaussian_noise", 2, "cifar-c")) == 0
    assert told(catalogue.at_severity("fog", 2, "cifar-c+jpeg85")) == 85


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("vgg-tiny", dataset="shapes10")


def levelled(name, backbone):
    """A method whose classifier answers with the level it gets."""
    method = METHODS[name](backbone)
    method.estimator = None
    method._running = lambda images, levels: levels[:, None] * torch.arange(10.0)
    return method


def test_found_and_told_qualities_predict_as_true_ones(backbone):
    images, told = saved(shapes(8), 30), torch.full((8,), 30)
    true = levelled("jpg-trueqf", backbone).predict(images, Context(level=30))
    found, header = (levelled(name, backbone) for name in ("jpg-exactqf", "jpg-headerqf"))
    assert found.needs == frozenset()
    assert torch.equal(found.predict(images, Context()), true)
    assert torch.equal(header.predict(images, Context(header_quality=told)), true)
    for method in (found, header):
        columns = method.columns(images, images, Context(header_quality=told))
        assert columns["estimated_level"].tolist() == pytest.approx([30] * 8)
    with pytest.raises(RobobenchError, match="must be told"):
        header.predict(images, Context())


def test_untouched_images_have_quality_100(backbone):
    images, none = shapes(4), torch.zeros(4, dtype=torch.int64)
    for name in ("jpg-exactqf", "jpg-headerqf"):
        columns = METHODS[name](backbone).columns(images, images, Context(header_quality=none))
        assert columns["estimated_level"].tolist() == [100] * 4


def test_the_weights_are_those_of_estimated_qualities(backbone):
    with pytest.raises(MissingWeights, match="train --method jpg-estqf") as caught:
        select("jpg-exactqf", dataset="cifar10", backbone=backbone, corruptions=["jpeg"])
    assert caught.value.method == "jpg-estqf"
