"""The search for the JPEG quality as a network decides as the search itself."""

import pytest
import torch
from test_jpeg_quality import photographs, saved, shapes
from torch import nn

from robobench.corruptions import search_quality
from robobench.corruptions.quality_network import QualitySearch


class Whole(nn.Module):
    """The search for one image of uint8, 1 x 3 x H x W."""

    def __init__(self):
        super().__init__()
        self.search = QualitySearch()

    def forward(self, images):
        return self.search(images[0].float())


def expected(images):
    return search_quality(images).nan_to_num(0).to(torch.int64)


def answers(run, images):
    with torch.no_grad():
        return torch.cat([run(image[None]) for image in images])


@pytest.mark.parametrize(("side", "count"), [(32, 12), (64, 6), (224, 2)])
def test_it_finds_what_the_search_finds(side, count):
    clean = photographs(count, side)
    network = Whole()
    assert answers(network, clean).eq(0).all()
    for quality in (3, 5, 10, 20, 40, 60, 80, 90, 95, 99):
        images = saved(clean, quality)
        assert torch.equal(answers(network, images), expected(images)), quality


def test_drawn_shapes_and_noise():
    network = Whole()
    noise = torch.randint(0, 256, (6, 3, 32, 32), dtype=torch.uint8)
    flat = torch.full((1, 3, 32, 32), 200, dtype=torch.uint8)
    for images in (shapes(12), saved(shapes(12), 10), saved(shapes(12), 90), noise, flat):
        assert torch.equal(answers(network, images), expected(images))


@pytest.mark.parametrize("size", [(9, 13), (8, 8), (15, 33), (33, 16), (41, 47), (5, 40)])
def test_odd_sizes(size):
    clean = photographs(6, 48)[..., : size[0], : size[1]].contiguous()
    for images in (clean, saved(clean, 40)):
        assert torch.equal(answers(Whole(), images), expected(images))


@pytest.mark.filterwarnings("ignore")  # TorchScript is deprecated, and tracers warn of constants
@pytest.mark.parametrize("first", ["clean", "compressed", "undecided"])
def test_what_is_traced_on_one_image_is_right_for_all(first):
    """Whether loops end at once, late, or never for the image that is traced."""
    clean = photographs(4, 64)
    images = torch.cat([clean, saved(clean, 2), saved(clean, 10), saved(clean, 50), shapes_of_64()])
    found = expected(images)
    assert {0, 10, 50} <= set(found.tolist())
    example = {"clean": 0, "compressed": 9, "undecided": len(images) - 1}[first]
    traced = torch.jit.trace(Whole(), (images[example][None],), check_trace=False)
    assert torch.equal(answers(traced, images), found)


def shapes_of_64():
    """Mostly flat images, of which few blocks tell anything, compressed and not."""
    large = shapes(4).repeat_interleave(2, 2).repeat_interleave(2, 3)
    return torch.cat([saved(large, 30), large])
