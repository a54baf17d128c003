"""What every corruption promises: shape, determinism, any batch, any size, both code paths."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import data

from robobench.corruptions import Corrupt, apply, apply_each, catalogue, corrupt
from robobench.corruptions.catalogue import GROUPS
from robobench.corruptions.compiled import tensor_code
from robobench.errors import RobobenchError
from robobench.registry import corruption
from robobench.testing import corruption as corruption_contract
from robobench.types import Degradation

ALL = GROUPS["all"]
EVERY = (*ALL, "multi_jpeg", "webp", "avif")
NEWER = (*catalogue.expand("c-bar"), *catalogue.expand("geometry"))
# Drawn numbers are the same bits on both paths; a threshold may still tip by the last bit of a sum.
EXACT = {"gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "frost", "fog",
         "brightness", "contrast", "saturate", "pixelate", "jpeg_compression", "multi_jpeg"}  # fmt: skip


def photos(count=3, height=32, width=32):
    step = 512 // max(height, width, 1)
    small = data.astronaut()[:: max(step // 2, 1), :: max(step // 2, 1)]
    rng = np.random.default_rng(0)
    corners = rng.integers(0, [small.shape[0] - height + 1, small.shape[1] - width + 1], (count, 2))
    made = np.stack([small[y : y + height, x : x + width] for y, x in corners])
    return torch.from_numpy(made).permute(0, 3, 1, 2).contiguous()


def degradation(name, severity=3, profile="cifar-c"):
    if name in ("webp", "avif"):
        return catalogue.at_level(name, 20 * severity)
    return catalogue.at_severity(name, severity, profile)


def least(name, level=None):
    """The smallest side that a corruption serves."""
    return max(catalogue.minimum(name), 2 if name == "pixelate" else 1)


@pytest.mark.parametrize("name", EVERY)
@settings(deadline=None, max_examples=12)
@given(data=st.data())
def test_any_size_any_image(name, data):
    low = least(name)
    height, width = data.draw(st.tuples(st.integers(low, 45), st.integers(low, 45)))
    seed = data.draw(st.integers(0, 10_000))
    kind = data.draw(st.sampled_from(["noise", "black", "white", "flat"]))
    if kind == "noise":
        made = np.random.default_rng(seed).integers(0, 256, (2, 3, height, width), dtype=np.uint8)
        images = torch.from_numpy(made)
    else:
        value = {"black": 0, "white": 255, "flat": seed % 256}[kind]
        images = torch.full((2, 3, height, width), value, dtype=torch.uint8)
    before = images.clone()
    places = torch.tensor([seed, seed + 5])
    severity = data.draw(st.integers(1, 5))
    out = apply(images, degradation(name, severity), places, seed)
    assert out.shape == images.shape
    assert out.dtype == torch.uint8
    assert torch.equal(images, before)
    assert out.data_ptr() != images.data_ptr()
    assert torch.equal(apply(images, degradation(name, severity), places, seed), out)


@pytest.mark.parametrize("promise", corruption_contract.PROMISES, ids=lambda p: p.__name__)
@pytest.mark.parametrize("name", [*EVERY, *NEWER])
def test_every_corruption_keeps_its_promises(name, promise):
    promise(corruption_contract.subject(name, images=photos(7)))


def test_threads_share_a_batch_without_changing_it():
    images, places = photos(9, 200, 190), torch.arange(9)
    torch.set_num_threads(1)
    alone = [apply(images, degradation(n, 4), places) for n in ("motion_blur", "jpeg", "fog")]
    torch.set_num_threads(3)
    shared = [apply(images, degradation(n, 4), places) for n in ("motion_blur", "jpeg", "fog")]
    assert all(torch.equal(a, b) for a, b in zip(alone, shared, strict=True))


@pytest.mark.parametrize("name", [*ALL, "multi_jpeg"])
def test_tensor_code_agrees_with_compiled_code(name):
    for height, width, profile in ((32, 32, "cifar-c"), (45, 50, "imagenet-c")):
        images, places = photos(3, height, width), torch.arange(3)
        for severity in (1, 5):
            ours = apply(images, degradation(name, severity, profile), places)
            with tensor_code():
                again = apply(images, degradation(name, severity, profile), places)
            off = (ours.int() - again.int()).abs()
            if name in EXACT:
                assert off.max() == 0
            assert off.max() <= 1
            assert (off > 0).float().mean() <= 1e-3


KEEP_FLAT = ("defocus_blur", "glass_blur", "gaussian_blur", "motion_blur", "zoom_blur",
             "contrast", "pixelate", "elastic_transform")  # fmt: skip


@pytest.mark.parametrize("name", KEEP_FLAT)
@pytest.mark.parametrize("value", [0, 128, 255])
def test_flat_images_stay_flat(name, value):
    images = torch.full((1, 3, 40, 36), value, dtype=torch.uint8)
    for profile in ("cifar-c", "imagenet-c"):
        for severity in range(1, 6):
            out = apply(images, degradation(name, severity, profile), torch.zeros(1).long())
            # The published kernels of defocus blur sum to one only nearly.
            assert (out.int() - value).abs().max() <= (3 if name == "defocus_blur" else 0)


@pytest.mark.parametrize("name", ["jpeg", "gaussian_noise", "speckle_noise", "impulse_noise",
                                  "shot_noise", "brightness", "gaussian_blur", "fog"])  # fmt: skip
def test_apply_each_is_apply_at_each_level(name):
    images, places = photos(6), torch.tensor([3, 8, 0, 5, 11, 2])
    native = catalogue.native(name)
    levels = torch.tensor([1.0, 2, 3, 5, 4, 2])
    if native is not None and not native.integer:
        levels = levels / 10 if native.high == 1 else levels * 1.3
    together = apply_each(images, name, levels, places, seed=2)
    for i, level in enumerate(levels.tolist()):
        if native is None:
            one = catalogue.at_severity(name, int(level), "cifar-c")
        else:
            one = catalogue.at_level(name, level)
        alone = apply(images[i : i + 1], one, places[i : i + 1], seed=2)
        assert torch.equal(together[i : i + 1], alone)


def test_mixtures_go_from_left_to_right():
    images, places = photos(), torch.arange(3)
    first = apply(images, degradation("gaussian_noise"), places)
    second = apply(first, degradation("jpeg"), places)
    assert torch.equal(apply(images, degradation("gaussian_noise+jpeg"), places), second)
    other = apply(images, degradation("jpeg+gaussian_noise"), places)
    assert not torch.equal(other, second)
    twice = apply(images, degradation("gaussian_noise+gaussian_noise"), places)
    noise = (first.int() - images.int()).double()
    more = (twice.int() - first.int()).double()
    inside = (first > 60) & (first < 190)
    assert abs(np.corrcoef(noise[inside], more[inside])[0, 1]) < 0.1  # a noise of its own


def test_sweeps_are_monotone():
    images, places = photos(8), torch.arange(8)

    def loss(name, level):
        out = apply(images, catalogue.at_level(name, level), places)
        return float((out.double() - images.double()).square().mean())

    for name, levels in (
        ("jpeg", (5, 20, 60, 95)),
        ("webp", (5, 40, 90)),
        ("avif", (5, 40, 90)),
        ("shot_noise", (3, 30, 300)),
        ("contrast", (0.1, 0.5, 0.9)),
    ):
        losses = [loss(name, level) for level in levels]
        assert losses == sorted(losses, reverse=True)
    for name, levels in (
        ("gaussian_noise", (0, 5, 20, 50)),
        ("gaussian_blur", (0, 0.5, 1, 4)),
        ("brightness", (0, 0.2, 0.8)),
    ):
        losses = [loss(name, level) for level in levels]
        assert losses == sorted(losses)
        assert losses[0] == 0


def test_public_function_takes_arrays_and_tensors():
    images = photos()
    arrays = images.permute(0, 2, 3, 1).contiguous().numpy()
    kept = arrays.copy()
    for name, strength in (("fog", {"severity": 2}), ("jpeg", {"level": 30}),
                        ("fog+jpeg", {"severity": 4, "profile": "imagenet-c+jpeg85"})):  # fmt: skip
        array = corrupt(arrays, name, seed=3, **strength)
        tensor = corrupt(images, name, seed=3, **strength)
        assert isinstance(array, np.ndarray)
        assert array.flags.c_contiguous
        assert (array == tensor.permute(0, 2, 3, 1).numpy()).all()
        later = corrupt(images[1:], name, seed=3, indices=[1, 2], **strength)
        assert torch.equal(later, tensor[1:])
    assert (arrays == kept).all()
    assert corrupt(images[:0], "snow", severity=1).shape == (0, 3, 32, 32)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda x: corrupt(x, "fgo", severity=1), "did you mean 'fog'"),
        (lambda x: corrupt(x, "noise", severity=1), "group of 3"),
        (lambda x: corrupt(x, "fog+noise", severity=1), "'noise' is a group"),
        (lambda x: corrupt(x, "fog"), "got neither"),
        (lambda x: corrupt(x, "jpeg", severity=1, level=3), "got both"),
        (lambda x: corrupt(x, "fog", severity=6), "from 1 to 5"),
        (lambda x: corrupt(x, "fog", level=2), "no native level"),
        (lambda x: corrupt(x, "fog+jpeg", level=2), "share it"),
        (lambda x: corrupt(x, "jpeg", level=0), "whole number from 1 to 100"),
        (lambda x: corrupt(x, "jpeg", level=10.5), "whole number from 1 to 100"),
        (lambda x: corrupt(x, "gaussian_noise", level=-1), "from 0 to 255"),
        (lambda x: corrupt(x, "webp", severity=1), "webp:1-100 would work"),
        (lambda x: corrupt(x, "fog", severity=1, profile="imagenet"), "'imagenet-c'"),
        (lambda x: corrupt(x.float(), "fog", severity=1), "torch uint8"),
        (lambda x: corrupt(x[0], "fog", severity=1), "N x 3 x H x W"),
        (lambda x: corrupt(x.numpy(), "fog", severity=1), "N x H x W x 3"),
        (lambda x: corrupt(x[..., :2, :2], "elastic_transform", severity=1), "at least 3 x 3"),
        (lambda x: corrupt(x[..., :3, :], "pixelate", level=0.25), "at least 4"),
        (lambda x: corrupt(x, "fog", severity=1, indices=[0]), "one per image"),
        (lambda x: corrupt(x[..., :30, :], "fog", severity=1, profile="imagecorruptions"),
         "at least 32 x 32"),
        (lambda x: apply(x, Degradation("fog", 1.0), torch.arange(3)), "expected a profile"),
        (lambda x: apply_each(x, "jpeg", torch.tensor([5.0]), torch.arange(3)), "one per image"),
        (lambda x: apply_each(x, "jpeg", torch.tensor([5.0, 7, 101]), torch.arange(3)), "100"),
        (lambda x: Corrupt("noise", levels=(0, 500)), "from 0 to 255"),
        (lambda x: Corrupt("fog", severities=[1], levels=(0, 5)), "got both"),
        (lambda x: Corrupt("fog")(x), "one image"),
        (lambda x: Corrupt("fog", probability=2), "between 0 and 1"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(call, said):
    with pytest.raises(RobobenchError) as caught:
        call(photos())
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_plug_in_corruption(registered):
    @corruption("negative", group="mine", random=False, severities=(50, 100, 150, 200, 255))
    def negative(images, level, keys):
        """Inverted up to a value."""
        return torch.where(images < level, 255 - images, images)

    @corruption("broken", group="mine")
    def broken(images, level, keys):
        """Returns floats."""
        return images.float()

    images = photos()
    assert catalogue.expand("mine") == ("negative", "broken")
    assert torch.equal(
        corrupt(images, "negative", severity=5), torch.where(images < 255, 255 - images, images)
    )
    assert corrupt(images, "negative+jpeg", severity=1).shape == images.shape
    with pytest.raises(RobobenchError, match=r"broken returned torch\.float32"):
        corrupt(images, "broken", severity=1)


def test_transform_for_training():
    transform = Corrupt("noise,jpeg", severities=[1, 5])
    image = photos()[0]
    picture = Image.fromarray(image.permute(1, 2, 0).numpy())
    torch.manual_seed(1)
    first = [transform(image) for _ in range(6)]
    torch.manual_seed(1)
    assert all(torch.equal(transform(image), f) for f in first)
    assert len({f.numpy().tobytes() for f in first}) == 6
    torch.manual_seed(1)
    assert (np.array(transform(picture)) == first[0].permute(1, 2, 0).numpy()).all()
    assert Corrupt("fog", probability=0)(image) is image
    assert Corrupt("jpeg", levels=(1, 100))(image).shape == image.shape
    assert Corrupt("gaussian_noise", levels=(0, 50))(picture.convert("L")).mode == "RGB"
    assert "noise" in repr(transform)


def test_catalogue_is_light():
    code = (
        "import sys\n"
        "from robobench.corruptions import catalogue\n"
        "assert catalogue.expand('all')[0] == 'gaussian_noise'\n"
        "catalogue.at_severity('fog', 3, 'cifar-c')\n"
        "assert [len(catalogue.expand(group)) for group in ('c-bar', 'geometry')] == [10, 9]\n"
        "heavy = {'torch', 'numba', 'numpy', 'cv2', 'scipy', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_frost_covers_images_larger_than_its_photographs():
    images = torch.zeros((2, 3, 700, 40), dtype=torch.uint8)
    out = apply(images, degradation("frost", 5), torch.arange(2))
    assert out.float().mean() > 20
    assert (out[:, :, -1].float().mean((1, 2)) > 5).all()


def test_water_shines_as_opencv_draws_it_on_both_paths():
    import cv2

    from robobench.corruptions import relief
    from robobench.corruptions.blur import gaussian

    torch.manual_seed(0)
    for height, width, sigma in (
        (64, 64, 1.0), (37, 51, 2.0), (3, 9, 0.7), (1, 6, 0.7), (2, 2, 0.7), (150, 90, 4.0)
    ):  # fmt: skip
        layer = gaussian(0.65 + 0.3 * torch.randn(40, 1, height, width), sigma)[:, 0]
        layer = torch.where(layer < 0.68, 0, layer)
        liquid = (layer * 255).to(torch.uint8)
        glints = []
        for one in liquid.numpy():
            far = cv2.distanceTransform(255 - cv2.Canny(one, 50, 150), cv2.DIST_L2, 5)
            near = cv2.blur(np.minimum(far, np.float32(20)), (3, 3)).astype(np.uint8)
            light = np.float32([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
            glints.append(cv2.blur(cv2.filter2D(cv2.equalizeHist(near), cv2.CV_8U, light), (3, 3)))
        assert (relief.glint(liquid).numpy() == np.stack(glints)).all()
        shine = liquid.numpy() * np.float32(np.stack(glints))
        shine *= np.float32(0.6) / shine.max((1, 2), keepdims=True, initial=1)
        ours = layer.numpy()
        relief.shine_kernel(ours[:, None], ours[:, None], ours, np.float32(0.6), 0, len(ours))
        assert (ours == shine).all()


@pytest.mark.parametrize("scale", [0.2, 0.3, 0.77, 1.4804, 2.356])
def test_photographs_of_frost_are_scaled_as_opencv_scales_them(scale):
    import cv2

    from robobench.corruptions import frost

    for file in frost.files():
        photo = cv2.imread(str(file))
        theirs = cv2.resize(photo, (0, 0), fx=scale, fy=scale)
        assert (frost.resized(photo, scale) == theirs).all()
