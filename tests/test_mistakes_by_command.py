"""Hundreds of mistakes by command: each ends in one line and exit code 2, and leaves nothing behind."""

import itertools

import numpy as np
import pytest
import torch
from PIL import Image

from robobench.backbones.own import own_network
from robobench.cli import _exit_code

WORDS = ["", "nonsense", "-", "../..", "a,b;c", "\u00fcml\u00e4ut", "@", "x:y:z"]
NUMBERS = ["", "0", "-1", "1.5", "nan", "1e3", "ten", "0x10", "99999999999999999999"]
RANGES = ["", "0", "6", "1-9", "5-1", "1-", "-", "one", "1,,x", "0-1000000000", "1.5"]
TRIPLES = ["", "1", "1,2", "1,2,3,4", "a,b,c", "nan,0,0", "inf,1,1"]
FILES = ["", "there-is-none", "empty-folder", "text.txt"]

RUN = {
    "--methods": [*WORDS[1:], "", "afd@", "afd@nonsense", "org@jpeg", "restore", "restore:", "org:x",
                  "restore:there-is-none", "restore:text.txt", "jpg@noise", "afd@clean", ","],
    "--corruptions": [*WORDS[1:], "", "jpeg:0", "jpeg:101", "jpeg:9-1", "jpeg:1-100/0", "fog:3",
                      "jpeg+", "+jpeg", "noise+jpeg", "jpeg:ten", "clean", "gaussian_noise:0-1000000000",
                      "+".join(["jpeg"] * 100), "10", "gaussian_noise:-5"],
    "--dataset": [*WORDS, "folder", "folder:", "folder:there-is-none", "folder:empty-folder",
                  "folder:text.txt", "shapes10:x", "cifar10", "imagenet", "tiny-imagenet", "cifar10-c"],
    "--split": WORDS[1:], "--limit": NUMBERS, "--severities": RANGES, "--seed": ["", "a", "-1", "1-",
                                                                               "0-1000000000"],
    "--profile": [*WORDS, "cifar"], "--engine": WORDS, "--train-seeds": ["", "a", "-1", "7", "1-0"],
    "--backbone": [*WORDS, "timm:", "timm:nonsense", "torchvision:", "torchvision:nonsense",
                   "torchvision:resnet18", "timm:resnet18", "onnx:", "onnx:there-is-none",
                   "onnx:text.txt", "there-is-none.py:f", "text.txt:f"],
    "--weights": FILES, "--models": [*FILES, "broken.toml", "types.toml"], "--label": [""], "--resize": NUMBERS, "--crop": NUMBERS, "--interpolation": WORDS,
    "--mean": TRIPLES, "--std": [*TRIPLES, "0,1,1", "-1,1,1", "1e-320,1,1"],
    "--corrupt-at": WORDS, "--device": [*WORDS, "meta", "cuda:99"], "--precision": WORDS, "--compile": WORDS,
    "--batch-size": NUMBERS, "--workers": NUMBERS, "--executor": WORDS,
    "--config": [*FILES, "broken.toml", "types.toml", "unknown.toml"], "--plugin": FILES,
    "--classes": ["", "there-is-none", "empty-folder", "sorted"], "--layer": ["nonsense", "a.b.c"],
}  # fmt: skip
VALID = {("--limit", "1e3"), ("--limit", "99999999999999999999")}
OTHERS = [
    *([command, *rest] for command in ("report", "verify", "freeze", "check", "plot", "rank", "classes")
      for rest in ([], ["there-is-none"], ["empty-folder"], ["text.txt"], ["--nonsense"])
      if not (command in ("report", "plot", "rank", "classes") and rest == [])),
    ["completion"], ["completion", "csh"], ["freeze", "empty-folder", "--out", ""], ["check", "empty-folder", "--baseline", "text.txt"],
    ["check", "empty-folder", "--baseline", "there-is-none"],
    *(["train", "--method", word] for word in WORDS), *(["train", "--recipe", w] for w in WORDS),
    *(["train", "--dataset", w, "--method", "org"] for w in WORDS),
    *(["train", "--method", "jpg", "--seed", n] for n in ("", "-1", "a", "1.5")),
    *(["train", "--method", "jpg", "--limit", n] for n in NUMBERS[:-1] if n != "1e3"),
    *(["train", "--method", "jpg", "--time-limit", t] for t in ("", "0", "-1m", "soon", "1d", "m")),
    ["train", "--method", "median"], ["train", "--method", "jpg@noise"], ["train", "--trained-on", "jpeg"],
    ["train", "--method", "afd", "--trained-on", "clean"],
    ["train", "--method", "afd", "--images", "there-is-none", "--trained-on", "jpeg"],
    ["train", "--method", "afd", "--images", "empty-folder", "--trained-on", "jpeg"],
    ["train", "--method", "afd", "--dataset", "folder:there-is-none"], ["run", "--skip-broken"],
    ["run", "--weights", "whole.pth"], ["run", "--dataset", "folder:cut", "--weights", "state.pth"],
    ["run", "--dataset", "folder:cut", "--backbone", "vgg-tiny", "--classes", "sorted"],
    ["corrupt", "cut", "out", "--corruptions", "jpeg", "--layout", "cifar-c"],
    ["corrupt", "cut", "out", "--corruptions", "jpeg"],
    ["corrupt", "photos", "out", "--corruptions", "jpeg", "--workers", "1000000"],
    *(["list", word] for word in WORDS), ["list"], *(["reproduce", w] for w in WORDS[1:] if w != "-"),
    *(["preview", "--corruptions", w] for w in WORDS), ["preview", "--image", "text.txt"],
    ["preview", "--image", "there-is-none", "--corruptions", "jpeg"],
    ["corrupt"], ["corrupt", "there-is-none", "out", "--corruptions", "jpeg"],
    ["corrupt", "empty-folder", "out", "--corruptions", "jpeg"],
    *(["corrupt", "photos", "out", "--corruptions", w] for w in WORDS),
    *(["corrupt", "photos", "out", "--corruptions", "jpeg", "--severities", r] for r in RANGES),
    *(["corrupt", "photos", "out", "--corruptions", "jpeg", "--crop", n] for n in NUMBERS[:7]),
    ["corrupt", "text.txt", "out", "--corruptions", "jpeg"],
    ["export"], ["export", "org"], ["export", "org", "--out", "photos"], ["export", "org", "--out", "new"],
    *(["export", word, "--out", "new.onnx"] for word in (*WORDS, "afd@matched", "median", "restore:text.txt")),
    *(["export", "org", "--out", "new.ts", "--dataset", word] for word in WORDS),
    *(["export", "org", "--out", "new.ts", "--check", word] for word in (*WORDS[:4], "empty-folder")),
    *(["export", "org", "--out", "new.ts", "--limit", n] for n in ("", "0", "-1", "ten")),
    *(["export", "org", "--out", "new.ts", "--std", n] for n in TRIPLES),
    *(["export", "org", "--out", "new.ts", "--crop", n] for n in NUMBERS),
    *([word] for word in ("rn", "Run", "--nonsense", "run.py", "@")), ["run", "surplus"],
    ["run", "--methods"], ["run", "--nonsense", "1"],
]  # fmt: skip
MISTAKES = [
    *(["run", option, value] for option, values in RUN.items() for value in values
      if (option, value) not in VALID),
    *OTHERS,
]  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with what mistakes point at."""
    folder = tmp_path_factory.mktemp("mistakes")
    (folder / "empty-folder").mkdir()
    (folder / "photos" / "a").mkdir(parents=True)
    Image.fromarray(np.full((16, 16, 3), 99, np.uint8)).save(folder / "photos" / "a" / "one.png")
    (folder / "cut" / "a").mkdir(parents=True)
    Image.effect_noise((64, 64), 99).save(folder / "cut" / "a" / "one.jpg")
    whole = (folder / "cut" / "a" / "one.jpg").read_bytes()
    (folder / "cut" / "a" / "one.jpg").write_bytes(whole[: len(whole) // 2])
    network = own_network("vgg-tiny", 10)
    torch.save(network, folder / "whole.pth")
    torch.save(network.state_dict(), folder / "state.pth")
    (folder / "text.txt").write_text("this is text\n")
    (folder / "broken.toml").write_text("methods = [\n")
    (folder / "types.toml").write_text("limit = 1.5\n")
    (folder / "unknown.toml").write_text('methosd = "afd"\n')
    return folder


def test_there_are_hundreds():
    assert len(MISTAKES) >= 300
    assert len(set(map(tuple, MISTAKES))) == len(MISTAKES)


@pytest.mark.parametrize("number", range(0, len(MISTAKES), 25))
def test_a_mistake_is_one_line_and_leaves_nothing(number, place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    before = sorted(place.rglob("*"))
    wrong = []
    for arguments in itertools.islice(MISTAKES, number, number + 25):
        code = _exit_code(arguments)
        said = capsys.readouterr().err.strip()
        left = [p for p in sorted(place.rglob("*")) if p not in before]
        if code != 2 or "\n" in said or not said or "Traceback" in said or left:
            wrong.append((arguments, code, said[:150], left[:2]))
            for path in sorted(left, reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
    assert not wrong, "\n".join(map(str, wrong))
