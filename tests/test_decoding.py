"""Whatever a file was saved as, its pixels arrive as upright RGB bytes, or it is refused by name."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image

from robobench.datasets.decoding import decode, header_quality
from robobench.datasets.encoded import EncodedDataset
from robobench.errors import RobobenchError

RAMP = np.arange(48, dtype=np.uint8).reshape(4, 4, 3) * 5


def save(path, array_or_image, **options):
    image = array_or_image
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    image.save(path, **options)
    return path


def pixels(path):
    image = decode(path)
    assert image.mode == "RGB"
    return np.asarray(image)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "ppm", "PNG"])
def test_lossless_formats(tmp_path, suffix):
    np.testing.assert_array_equal(pixels(save(tmp_path / f"a.{suffix}", RAMP)), RAMP)


@pytest.mark.parametrize("suffix", ["jpg", "jpeg", "jfif", "webp", "avif", "gif"])
def test_lossy_formats(tmp_path, suffix):
    image = np.full((16, 16, 3), (200, 60, 90), np.uint8)
    np.testing.assert_allclose(pixels(save(tmp_path / f"a.{suffix}", image)), image, atol=6)


def test_grey(tmp_path):
    grey = RAMP[..., 0]
    expected = np.repeat(grey[..., None], 3, axis=2)
    np.testing.assert_array_equal(pixels(save(tmp_path / "a.png", grey)), expected)


def test_one_bit(tmp_path):
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    assert pixels(save(tmp_path / "a.png", image))[0].tolist() == [[0, 0, 0], [255, 255, 255]]


def test_palette(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    assert pixels(save(tmp_path / "a.png", image))[0].tolist() == [[10, 20, 30], [200, 100, 50]]


TRANSPARENT = {
    "palette": (lambda: palette(), {"transparency": 0}),
    "palette by bytes": (lambda: palette(), {"transparency": b"\x00\x80"}),
    "colour key": (lambda: Image.new("RGB", (2, 1), (9, 8, 7)), {"transparency": (9, 8, 7)}),
    "grey key": (lambda: Image.new("L", (2, 1), 9), {"transparency": 9}),
    "RGBA": (lambda: Image.new("RGBA", (2, 1), (100, 0, 50, 0)), {}),
    "half": (lambda: Image.new("RGBA", (2, 1), (100, 0, 50, 128)), {}),
    "LA": (lambda: Image.merge("LA", [Image.new("L", (1, 1), v) for v in (10, 0)]), {}),
}


def palette():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    return image


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("what", TRANSPARENT)
def test_transparency_is_dropped_as_pillow_and_torchvision_do(what, tmp_path):
    make, options = TRANSPARENT[what]
    path = save(tmp_path / "a.png", make(), **options)
    with warnings.catch_warnings(), Image.open(path) as image:
        warnings.simplefilter("ignore")
        expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(pixels(path), expected)


def test_cmyk(tmp_path):
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    found = pixels(save(tmp_path / "a.jpg", image, quality=95))
    np.testing.assert_allclose(found.reshape(-1, 3).mean(0), [255, 0, 0], atol=6)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_scaled_not_clipped(tmp_path, suffix):
    deep = np.array([[0, 257, 32768, 65535, 300]], np.uint16)
    found = pixels(save(tmp_path / f"a.{suffix}", deep))
    assert found[0, :, 0].tolist() == [0, 1, 128, 255, 1]
    assert (found == found[..., :1]).all()


def test_sixteen_bit_pgm(tmp_path):
    path = tmp_path / "a.pgm"
    path.write_bytes(b"P5 2 1 65535\n" + np.array([0, 65535], ">u2").tobytes())
    assert pixels(path)[0, :, 0].tolist() == [0, 255]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_the_camera(tmp_path, orientation):
    upright = np.arange(24, dtype=np.uint8).reshape(4, 2, 3) * 10
    undo = {  # what the camera did to the upright picture
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(undo[orientation](upright))
    np.testing.assert_array_equal(pixels(save(tmp_path / "a.png", stored, exif=exif)), upright)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif"])
def test_first_frame(tmp_path, suffix):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    options = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], **options)
    assert pixels(tmp_path / f"a.{suffix}")[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (Image.new("F", (2, 2)), "mode F"),
        (Image.new("LAB", (2, 2)), "mode LAB"),
        (Image.fromarray(np.array([[0, 70000]], np.int32)), "32-bit"),
    ],
)
def test_no_range_is_guessed(tmp_path, image, words):
    with pytest.raises(RobobenchError, match=words):
        decode(save(tmp_path / "a.tif", image))


def broken(kind):
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, "JPEG" if "jpeg" in kind else "PNG")
    whole = buffer.getvalue()
    return {"cut": whole[: len(whole) // 2], "text": b"<html>not found</html>", "empty": b""}[
        kind.split()[-1]
    ]


@pytest.mark.parametrize("kind", ["jpeg cut", "png cut", "text", "empty"])
def test_broken_files_are_refused_in_a_few_words(tmp_path, kind):
    path = tmp_path / "a.jpg"
    path.write_bytes(broken(kind))
    with pytest.raises(RobobenchError) as caught:
        decode(path)
    assert 0 < len(str(caught.value)) < 100
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(RobobenchError, match="no such file"):
        decode(tmp_path / "a.png")


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_every_quality_is_read_from_the_header(tmp_path, mode):
    image = Image.fromarray(RAMP).convert(mode)
    found = []
    for quality in range(1, 101):
        found.append(header_quality(save(tmp_path / f"{quality}.jpg", image, quality=quality)))
    assert found == list(range(1, 101))


def test_foreign_tables_give_the_nearest_quality(tmp_path):
    with Image.open(save(tmp_path / "50.jpg", RAMP, quality=50)) as image:
        tables = {
            key: [v + (i == 5) for i, v in enumerate(t)] for key, t in image.quantization.items()
        }
    path = save(tmp_path / "own.jpg", RAMP, qtables=list(tables.values()))
    assert header_quality(path) == 50


def test_quality_goes_by_the_content_not_the_name(tmp_path):
    assert header_quality(save(tmp_path / "a.jpg", RAMP, format="PNG")) == 0
    assert header_quality(save(tmp_path / "b.png", RAMP, format="JPEG", quality=30)) == 30


def test_the_quality_of_images_inside_other_files(tmp_path):
    forms = {"a": {"format": "JPEG", "quality": 30}, "b": {"format": "PNG"}}
    files = [save(tmp_path / name, RAMP, **how).read_bytes() for name, how in forms.items()]
    inside = EncodedDataset(
        "mine", "test", contents=files.__getitem__, called="image {}".format,
        labels=np.zeros(2, np.int64), class_names=["one"],
    )  # fmt: skip
    assert inside.header_quality(np.array([1, 0])).tolist() == [0, 30]
    files[0] = b"nothing"
    with pytest.raises(RobobenchError, match=r"^image 0: not an image that Pillow can read$"):
        inside.header_quality(np.arange(2))
