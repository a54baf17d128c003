"""PSNR and SSIM: against scikit-image, at their edges, and in the results."""

import pytest
import torch
from made_up_images import random_images

import robobench
from robobench.baselines.image_quality import ssim
from robobench.types import CLEAN


@pytest.mark.parametrize("size", [(32, 32), (40, 27), (11, 64), (96, 96)])
@pytest.mark.parametrize("sigma", [0.0, 2.0, 40.0])
def test_ssim_is_that_of_scikit_image(size, sigma):
    from skimage.metrics import structural_similarity

    ramp = torch.linspace(0, 255, size[1]).expand(4, 3, *size)
    first = torch.cat([random_images(3, *size), ramp[:1].to(torch.uint8)])
    noise = torch.randn(first.shape, generator=torch.Generator().manual_seed(1)) * sigma
    second = (first + noise).clamp(0, 255).round().to(torch.uint8)
    expected = [
        structural_similarity(
            a.permute(1, 2, 0).numpy(),
            b.permute(1, 2, 0).numpy(),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            channel_axis=-1,
            data_range=255,
        )
        for a, b in zip(first, second, strict=True)
    ]
    torch.testing.assert_close(
        ssim(first, second), torch.tensor(expected).float(), atol=1e-4, rtol=0
    )


def test_ssim_of_equal_and_of_opposite_images():
    images = random_images()
    assert torch.equal(ssim(images, images), torch.ones(4))
    assert (ssim(images, 255 - images) < 0).all()
    flat = torch.full((1, 3, 16, 16), 128, dtype=torch.uint8)
    assert float(ssim(flat, flat + 1)) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(("size", "window"), [((10, 32), 9), ((8, 8), 7), ((3, 5), 3), ((1, 4), 1)])
def test_small_images_have_a_smaller_window(size, window):
    a, b = random_images(2, *size), random_images(2, *size, seed=1)
    place = torch.arange(window) - window // 2
    weight = torch.exp(-(place**2) / 4.5).double()
    weight = torch.outer(weight, weight) / weight.sum() ** 2
    windows = [t.double().unfold(2, window, 1).unfold(3, window, 1) for t in (a, b)]
    means = [(w * weight).sum((4, 5)) for w in windows]
    squares = [(w**2 * weight).sum((4, 5)) for w in windows]
    (x, y), (vx, vy) = means, [s - m**2 for s, m in zip(squares, means, strict=True)]
    covariance = (windows[0] * windows[1] * weight).sum((4, 5)) - x * y
    c1, c2 = 2.55**2, 7.65**2
    expected = (2 * x * y + c1) * (2 * covariance + c2) / ((x**2 + y**2 + c1) * (vx + vy + c2))
    torch.testing.assert_close(ssim(a, b), expected.mean((1, 2, 3)).float(), atol=1e-5, rtol=0)


def test_both_measures_reach_the_results(tmp_path):
    run = robobench.run("median", "jpeg:10", limit=20, out=str(tmp_path / "run"))
    frame = run.frame[run.frame["method"] == "median"].set_index(["metric", "corruption"])["value"]
    assert frame["ssim", CLEAN] > frame["ssim", "jpeg_compression"] > 0
    assert 45 > frame["psnr", CLEAN] > frame["psnr", "jpeg_compression"] > 15
