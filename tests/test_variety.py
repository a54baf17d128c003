"""Training images made more varied: what changes, what does not, and that the seed decides."""

import numpy as np
import torch

from robobench.training.variety import collage, recolour, scenes
from robobench.training.views import Views


def photographs(count=6, side=40):
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.integers(0, 256, (count, 3, 5, 5))).float()
    large = torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear")
    return large.round().to(torch.uint8)


def generator(seed=0):
    return np.random.default_rng(seed)


class Pool:
    side = 40

    def __len__(self):
        return 6

    def batch(self, positions):
        return photographs()[torch.from_numpy(positions)]


def test_a_share_of_none_changes_nothing_and_of_all_changes_all():
    images = photographs()
    for change in (collage, recolour):
        assert torch.equal(change(images, 0.0, generator()), images)
        changed = change(images, 1.0, generator())
        assert changed.dtype == torch.uint8
        assert (changed != images).flatten(1).any(1).all()
        assert torch.equal(images, photographs())


def test_recolouring_keeps_the_order_of_grey_levels_within_a_channel():
    image = torch.arange(0, 250, 10, dtype=torch.uint8).view(1, 1, 5, 5).expand(1, 3, 5, 5)
    changed = recolour(image.contiguous(), 1.0, generator()).flatten(2)[0].int()
    assert (changed.diff(dim=1) >= 0).all()
    assert len({tuple(channel.tolist()) for channel in changed}) == 3


def test_a_collage_shows_only_the_image_and_its_neighbour():
    images = torch.stack([torch.full((3, 20, 20), v, dtype=torch.uint8) for v in (10, 20, 30)])
    changed = collage(images, 1.0, generator())
    for place in range(3):
        own, other = images[place, 0, 0, 0], images[place - 1, 0, 0, 0]
        share = float((changed[place] == other).float().mean())
        assert 0.09 <= share <= 0.81
        assert ((changed[place] == own) | (changed[place] == other)).all()


def test_scenes_are_of_the_photographs_size_and_differ():
    made = scenes(photographs(), 5, generator(3))
    assert made.shape == (5, 3, 40, 40)
    assert made.dtype == torch.uint8
    assert len({made[k].numpy().tobytes() for k in range(5)}) == 5
    assert torch.equal(made, scenes(photographs(), 5, generator(3)))
    assert not torch.equal(made, scenes(photographs(), 5, generator(4)))


def test_views_are_decided_by_the_seed():
    options = {"crop": 16, "smallest": 1.0, "scenes": 0.5, "collage": 0.5, "recolour": 0.5}
    images = photographs()
    first, again = (Views(Pool(), options, 1)(images, generator()) for _ in range(2))
    assert first.shape == (6, 3, 16, 16)
    assert torch.equal(first, again)
    assert not torch.equal(first, Views(Pool(), options, 2)(images, generator()))
    plain = Views(Pool(), {}, 1)(images, generator())
    assert plain.shape == images.shape
