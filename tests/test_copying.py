"""`robobench corrupt` and `robobench preview`."""

import json
import os

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from robobench.cli.corrupt import corrupt as corrupt_command
from robobench.cli.preview import preview as preview_command
from robobench.corruptions import corrupt
from robobench.errors import RobobenchError


@pytest.fixture
def folder(tmp_path):
    """Six images of two classes, of two formats and two sizes."""
    rng = np.random.default_rng(0)
    for i in range(6):
        size = (40, 36) if i % 3 else (50, 40)
        path = tmp_path / "in" / f"class{i % 2}" / f"{i}.{'png' if i % 2 else 'bmp'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)
    return tmp_path / "in"


def run(command, *arguments):
    result = CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def read(path):
    return np.array(Image.open(path))


def test_copy_holds_what_an_evaluation_sees(folder, tmp_path):
    out = tmp_path / "out"
    said = run(corrupt_command, folder, out, "--corruptions", "fog,jpeg:10-20/10,snow+jpeg",
               "--severities", "2,5", "--seed", 3, "--workers", 1)  # fmt: skip
    assert "profile: cifar-c" in said
    assert "36 degraded images made, 0 already present" in said
    files = sorted(p.relative_to(folder) for p in folder.rglob("*.*"))
    for index, file in enumerate(files):
        image = read(folder / file)[None]
        expected = {
            f"fog/5/{file.with_suffix('.png')}": corrupt(
                image, "fog", severity=5, seed=3, profile="cifar-c", indices=[index]
            ),
            f"jpeg_compression/level-20/{file.with_suffix('.png')}": corrupt(
                image, "jpeg", level=20
            ),
            f"snow+jpeg_compression/2/{file.with_suffix('.png')}": corrupt(
                image, "snow+jpeg", severity=2, seed=3, profile="cifar-c", indices=[index]
            ),
        }
        for place, pixels in expected.items():
            assert (read(out / place) == pixels[0]).all()


def test_goes_on_where_it_stopped_and_may_be_extended(folder, tmp_path):
    out = tmp_path / "out"
    choice = ["--corruptions", "contrast", "--profile", "cifar-c", "--workers", 1]
    run(corrupt_command, folder, out, *choice)
    gone = out / "contrast" / "3" / "class0" / "2.png"
    kept = out / "contrast" / "4" / "class0" / "2.png"
    before, stamp = gone.read_bytes(), kept.stat().st_mtime_ns
    gone.unlink()
    said = run(corrupt_command, folder, out, *choice)
    assert "1 degraded images made, 29 already present" in said
    assert gone.read_bytes() == before
    assert kept.stat().st_mtime_ns == stamp
    assert not list(out.rglob("*.tmp"))
    choice[1] = "contrast,pixelate"
    assert "30 degraded images made, 30 already present" in run(
        corrupt_command, folder, out, *choice
    )
    told = json.loads((out / "manifest.json").read_text())
    assert told["settings"]["images"] == 6
    assert told["made"]["pixelate/1"]["level"] == 0.95
    with pytest.raises(RobobenchError, match=r"other settings \(seed: 0, now 1\)"):
        run(corrupt_command, folder, out, *choice, "--seed", 1)
    with pytest.raises(RobobenchError, match="contrast/1 made at"):
        run(corrupt_command, folder, out, "--corruptions", "contrast", "--profile", "imagenet-c")


def test_processes_and_jpeg85(folder, tmp_path):
    choice = ["--corruptions", "gaussian_noise", "--profile", "cifar-c", "--severities", "1",
              "--resize", 32, "--crop", 32, "--save-jpeg85"]  # fmt: skip
    run(corrupt_command, folder, tmp_path / "one", *choice, "--workers", 1)
    run(corrupt_command, folder, tmp_path / "two", *choice, "--workers", 2)
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*.JPEG"))
    assert len(files) == 6
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
        with Image.open(tmp_path / "one" / file) as image:
            assert image.size == (32, 32)
            assert image.quantization[0][0] == 5  # quality 85: 16 * 30 / 100


def test_layout_of_cifar_c(folder, tmp_path):
    out = tmp_path / "out"
    choice = ["--layout", "cifar-c", "--corruptions", "fog,jpeg", "--workers", 1]
    with pytest.raises(RobobenchError, match=r"different sizes: .*give --resize and --crop"):
        run(corrupt_command, folder, out, *choice)
    assert not list(out.glob("*.npy*"))
    choice += ["--resize", 32, "--crop", 32]
    out = tmp_path / "other"
    run(corrupt_command, folder, out, *choice)
    labels, fog = np.load(out / "labels.npy"), np.load(out / "fog.npy")
    assert labels.tolist() == [0, 0, 0, 1, 1, 1] * 5
    assert fog.shape == (30, 32, 32, 3)
    assert fog.dtype == np.uint8
    np.save(tmp_path / "images.npy", np.load(out / "fog.npy")[:6])
    again = tmp_path / "again"
    run(corrupt_command, tmp_path / "images.npy", again, "--layout", "cifar-c",
        "--corruptions", "snow", "--workers", 1)  # fmt: skip
    expected = corrupt(fog[:6], "snow", severity=4, profile="cifar-c")
    assert (np.load(again / "snow.npy")[18:24] == expected).all()
    assert not (again / "labels.npy").exists()
    assert "0 degraded images made, 60 already present" in run(
        corrupt_command, folder, out, *choice
    )


def test_mistakes(folder, tmp_path):
    out = tmp_path / "out"

    def refused(said, *arguments):
        with pytest.raises(RobobenchError, match=said):
            run(corrupt_command, *arguments, "--workers", 1)

    refused("a folder of images or a .npy", tmp_path / "none", out)
    (tmp_path / "empty").mkdir()
    refused("no image in it", tmp_path / "empty", out)
    refused("lies inside", folder, folder / "out")
    refused("nor a copy: choose another", folder, tmp_path)
    refused("did you mean 'cifar-c'", folder, out, "--layout", "cifar")
    refused("did you mean 'fog'", folder, out, "--corruptions", "fogg")
    refused("severities 1 to 5, got 1", folder, out, "--layout", "cifar-c", "--severities", "1")
    (folder / "class0" / "2.png").write_bytes(b"broken")
    (folder / "class0" / "2.bmp").unlink()
    refused("2.png cannot be used: not an image", folder, out, "--corruptions", "fog")
    (folder / "class0" / "2.png").unlink()
    (folder / "class0" / "0.png").write_bytes(b"twin")
    refused("the same name in the copy", folder, tmp_path / "new", "--profile", "cifar-c")


def test_preview(tmp_path):
    out = tmp_path / "sheet.png"
    said = run(preview_command, "--corruptions", "fog,jpeg:10-90/20,snow+jpeg", "--size", 48,
               "--out", out)  # fmt: skip
    assert "3 rows" in said
    sheet = read(out)
    assert sheet.shape[1] > 6 * 48
    assert os.listdir(tmp_path) == ["sheet.png"]
    assert "1 row," in run(preview_command, "--corruptions", "jpeg:10", "--size", 48, "--out", out)
    with pytest.raises(RobobenchError, match=r"\.png"):
        run(preview_command, "--out", tmp_path / "sheet.txt")
    with pytest.raises(RobobenchError, match="no such file"):
        run(preview_command, "--image", tmp_path / "none.png", "--out", out)


def test_preview_shows_what_corrupt_makes(tmp_path):
    Image.fromarray(np.full((20, 20, 3), 99, np.uint8)).save(tmp_path / "gray.png")
    run(preview_command, "--corruptions", "brightness", "--image", tmp_path / "gray.png",
        "--size", 20, "--profile", "imagenet-c", "--out", tmp_path / "s.png")  # fmt: skip
    sheet = torch.from_numpy(read(tmp_path / "s.png"))
    flat = corrupt(np.full((1, 20, 20, 3), 99, np.uint8), "brightness", level=0.5)[0, 0, 0]
    tile = sheet[-24:-4, -24:-4]
    assert (tile == torch.tensor(flat)).all()


def test_plug_in_corruption_on_several_processes(folder, tmp_path, registered):
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "import robobench\n"
        "@robobench.corruption('negative', group='mine', random=False)\n"
        "def negative(images, level, keys):\n"
        "    '''Inverted.'''\n"
        "    return 255 - images\n"
    )
    out = tmp_path / "out"
    run(corrupt_command, folder, out, "--corruptions", "negative", "--severities", "1",
        "--plugin", plugin, "--workers", 2)  # fmt: skip
    assert (read(out / "negative/1/class1/1.png") == 255 - read(folder / "class1/1.png")).all()
