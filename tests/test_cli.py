"""The command line as a user meets it."""

import os
import platform
import subprocess
import sys

import pytest

from robobench.cli import _exit_code
from robobench.cli.list import KINDS

RUN = "run --methods median --corruptions jpeg --severities 1,5 --limit 100 --no-report --out {out}"


def out_of(capsys, arguments, code=0):
    capsys.readouterr()
    assert _exit_code(arguments) == code
    return capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--help"], ["list", "methods"]])
def test_help_and_lists_answer_at_once(arguments):
    def once():
        """Seconds of a processor: other work on the machine does not count."""
        began = os.times()
        subprocess.run(
            [sys.executable, "-m", "robobench", *arguments], check=True, capture_output=True
        )
        ended = os.times()
        return (
            ended.children_user
            + ended.children_system
            - (began.children_user + began.children_system)
        )

    assert min(once() for _ in range(4)) < 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_every_list_names_and_explains(capsys, kind):
    lines = [
        line
        for line in out_of(capsys, ["list", kind]).partition("\n\n")[0].splitlines()
        if not line.startswith(" ")
    ]
    assert lines
    assert all(len(line.split(maxsplit=1)) == 2 for line in lines), "each name has a summary"


def test_layers_are_listed_with_the_default_and_what_is_behind_a_relu(capsys):
    lines = out_of(capsys, ["list", "layers", "--backbone", "torchvision:resnet18"]).splitlines()
    told = {line.split()[0]: line for line in lines}
    assert list(told)[:5] == ["layer", "conv1", "bn1", "relu", "maxpool"]
    assert told["bn1"].split() == ["bn1", "64", "112", "x", "112", "6.5%"]
    assert told["relu"].endswith(" 112 x 112                  6.5%  non-negative, default")
    assert told["layer2"].endswith("54.7%  non-negative")
    assert "layer1.1" not in told


def test_layers_of_what_cannot_be_split_are_refused(capsys):
    out_of(capsys, ["list", "layers", "--backbone", "timm:crossvit_9_240"], code=2)
    out_of(capsys, ["list", "layers", "--backbone", "torchvision:resnet19"], code=2)


FIXED = """
import torch
from torch import nn

class Fixed(nn.Sequential):
    def forward(self, images):
        assert images.shape[2:] == (32, 32), f"height {images.shape[2]} is not that of the model, 32"
        return super().forward(images)

def net():
    torch.manual_seed(0)
    return Fixed(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4096, 10))
"""


@pytest.fixture
def fixed(tmp_path):
    """Name of a network that takes images of 32 x 32 alone."""
    (tmp_path / "own.py").write_text(FIXED)
    return f"{tmp_path}/own.py:net"


@pytest.mark.parametrize("kind", ["layers", "methods"])
def test_a_network_of_one_size_is_listed_for_the_images_it_takes(kind, fixed, capsys):
    words = ["list", kind, "--backbone", fixed]
    assert _exit_code(words) == 2
    assert "give it with --resize and --crop" in capsys.readouterr().err
    lines = out_of(capsys, [*words, "--resize", "36", "--crop", "32"]).splitlines()
    if kind == "layers":
        assert lines[2].split() == ["1", "4", "32", "x", "32", "73.0%", "non-negative,", "default"]
    else:
        (told,) = [line for line in " ".join(lines).split("trainable: ") if "--method afd" in line]
        assert "--resize 36 --crop 32" in told
    for wrong, said in (("--crop=40", "does not fit"), ("--interpolation=bicubik", "did you mean")):
        assert _exit_code([*words, "--resize", "36", wrong]) == 2
        assert said in capsys.readouterr().err


def test_backbones_are_listed_as_they_are_written(capsys):
    lines = out_of(capsys, ["list", "backbones"]).splitlines()
    told = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert {"vgg-tiny", "resnet-56", "timm:NAME", "onnx:FILE", "FILE.py:FACTORY"} <= set(told)


def test_readiness_by_data_set(capsys):
    told = out_of(capsys, ["list", "methods", "--dataset", "shapes10", "--backbone", "vgg-tiny"])
    states = {line.split()[0]: line for line in told.splitlines() if not line.startswith(" ")}
    assert "ready" in states["afd"]
    assert "ready" in states["org"]


def test_info_tells_versions_and_places(capsys):
    told = out_of(capsys, ["info"])
    for word in ("torch", "libjpeg_turbo", "threads", "weights", "data"):
        assert word in told


def test_version(capsys):
    assert out_of(capsys, ["--version"]).startswith("robobench ")


def test_a_dry_run_writes_nothing(capsys, tmp_path):
    told = out_of(capsys, [*RUN.format(out=tmp_path / "run").split(), "--dry-run"])
    assert "6 cells of 100 images, 0 already stored; 600 predictions to make" in told
    assert "median on jpeg_compression 40: 100 images" in told
    assert not (tmp_path / "run").exists()


def test_a_run_prints_its_table_and_is_not_repeated(capsys, tmp_path):
    arguments = RUN.format(out=tmp_path / "run").split()
    told = out_of(capsys, arguments)
    assert "median" in told
    assert "results.csv" in told
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "run" / "cells").iterdir()}
    assert out_of(capsys, arguments) == told
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "run" / "cells").iterdir()} == before
    assert "0 predictions to make" in out_of(capsys, [*arguments, "--dry-run"])


def test_a_configuration_file_and_the_command_line_above_it(capsys, tmp_path):
    (tmp_path / "c.toml").write_text(
        f"methods = ['median']\ncorruptions = 'jpeg:50'\nlimit = 60\nout = '{tmp_path / 'run'}'\n"
    )
    arguments = ["run", "--config", str(tmp_path / "c.toml"), "--limit", "50", "--dry-run"]
    told = out_of(capsys, arguments)
    assert "4 cells of 50 images" in told


def test_the_module_is_the_program(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "robobench", "rnu"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "robobench: " + done.stderr.removeprefix("robobench: ")
    assert "did you mean 'run'" in done.stderr


def test_an_internal_error_is_one_line_and_a_log(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("robobench.environment.versions", lambda: 1 / 0)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert _exit_code(["info"]) == 3
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "please report" in told
    (log,) = tmp_path.glob("robobench-*.log")
    assert "ZeroDivisionError" in log.read_text()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="settings of glibc")
@pytest.mark.parametrize("set_up", [False, True])
def test_freed_memory_is_kept_unless_the_user_has_set_the_allocator_up(set_up):
    code = """
import resource
from robobench.cli._memory import keep_freed_memory
made = keep_freed_memory()
for _ in range(10):
    b"x" * 2**24  # 4096 pages
print(made, resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""
    ours = ("MALLOC_", "GLIBC_TUNABLES")
    environment = {n: v for n, v in os.environ.items() if not n.startswith(ours)}
    environment |= {"MALLOC_MMAP_THRESHOLD_": "65536"} if set_up else {}
    child = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment
    )
    made, faults = child.stdout.split()
    assert made == str(not set_up)
    assert (int(faults) > 10 * 4096) == set_up


def test_ctrl_c_is_130(capsys, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("robobench.environment.versions", interrupted)
    assert _exit_code(["info"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_when_cells_fail_the_others_are_shown(capsys, tmp_path, registered):
    (tmp_path / "fragile.py").write_text(
        "import robobench\n"
        "@robobench.method('fragile-cli')\n"
        "class Fragile(robobench.Method):\n"
        "    needs = frozenset({'level'})\n"
        "    def predict(self, images, context):\n"
        "        if context.level == 40:\n"
        "            raise ValueError('too much')\n"
        "        return self.backbone(images)\n"
    )
    arguments = RUN.replace("median", "fragile-cli").format(out=tmp_path / "run").split()
    assert _exit_code([*arguments, "--plugin", str(tmp_path / "fragile.py")]) == 4
    captured = capsys.readouterr()
    assert "fragile-cli" in captured.out
    assert captured.err == (
        "robobench: 1 cell failed (fragile-cli on jpeg_compression 40), the rest are stored; "
        "first error: ValueError: too much\n"
    )
