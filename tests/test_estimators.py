"""The estimators of degradation levels."""

import pytest
import torch
from torch.nn.functional import mse_loss

from robobench.corruptions import apply_each
from robobench.datasets import open_dataset
from robobench.methods.estimators import BlockEstimator, EnergyEstimator
from robobench.types import Geometry


@pytest.mark.parametrize("kind", [BlockEstimator, EnergyEstimator])
class TestLeanEstimators:
    def test_one_level_an_image_whatever_its_size(self, kind):
        torch.manual_seed(0)
        network = kind()
        for side in (32, 40, 64):
            assert network(torch.rand(3, 3, side, side)).shape == (3,)

    def test_an_image_alone_or_in_a_batch(self, kind):
        torch.manual_seed(0)
        network = kind()
        images = torch.rand(5, 3, 32, 32)
        torch.testing.assert_close(network(images)[2:3], network(images[2:3]))

    def test_full_precision_under_autocast(self, kind):
        torch.manual_seed(0)
        network = kind()
        images = torch.rand(2, 3, 32, 32)
        with torch.autocast("cpu", torch.bfloat16):
            answer = network(images)
        assert answer.dtype == torch.float32
        torch.testing.assert_close(answer, network(images))


def test_the_order_of_blocks_does_not_matter():
    """What `BlockEstimator` sees is a histogram over the blocks."""
    torch.manual_seed(0)
    network = BlockEstimator()
    images = torch.rand(2, 3, 32, 32)
    swapped = images.roll(16, dims=3)
    torch.testing.assert_close(network(images), network(swapped), rtol=1e-4, atol=1e-5)


class TestEnergies:
    def test_of_pure_noise_they_are_its_standard_deviation(self):
        """The filters and mixtures are orthonormal: noise of sigma 25 answers with half of 50."""
        generator = torch.Generator().manual_seed(0)
        images = 0.5 + torch.randn(4, 3, 64, 64, generator=generator) * 25 / 255
        statistics = EnergyEstimator().statistics(images)
        planes, filters = 6, 8
        root_mean_squares = statistics[:, planes * filters : 2 * planes * filters]
        torch.testing.assert_close(
            root_mean_squares, torch.full_like(root_mean_squares, 0.5), rtol=0.1, atol=0
        )

    def test_of_a_flat_image_they_are_zero(self):
        statistics = EnergyEstimator().statistics(torch.full((1, 3, 32, 32), 0.3))
        assert statistics[:, :-12].abs().max() < 1e-5

    def test_it_learns_the_level_of_noise(self):
        """A few steps are enough to tell weak from strong noise."""
        torch.manual_seed(0)
        data = open_dataset("shapes10", split="train")
        images = data.read(torch.arange(128).numpy(), Geometry())
        network = EnergyEstimator()
        optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
        for step in range(40):
            levels = torch.rand(128) * 50
            noisy = apply_each(
                images, "gaussian_noise", levels, torch.arange(128) + 128 * step, 0, "cifar-c"
            )
            loss = mse_loss(network(noisy.float() / 255), levels / 50)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        truth = torch.tensor([15.0, 35.0]).repeat(64)
        noisy = apply_each(images, "gaussian_noise", truth, torch.arange(128) + 10**6, 0, "cifar-c")
        with torch.no_grad():
            guess = network(noisy.float() / 255) * 50
        assert guess[1::2].min() > guess[::2].max()
