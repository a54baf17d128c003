"""Empty is not the default, a wrong type is not converted, and not-a-number is refused."""

import numpy as np
import pytest
import torch
from edges import ending
from torch import nn

import robobench
from robobench.cli import _exit_code
from robobench.errors import RobobenchError
from robobench.evaluation.configuration import Configuration

VALUED = [
    *("methods", "corruptions", "dataset", "split", "data-root", "limit", "classes", "severities"),
    *("profile", "engine", "seed", "backbone", "weights", "train-seeds", "resize", "crop"),
    *("interpolation", "mean", "std", "corrupt-at", "device", "precision", "compile", "batch-size"),
    *("workers", "executor", "ray-address", "shard", "config", "plugin", "out"),
]
OTHERS = [
    "report {run} --out",
    "report",
    "plot {run} --kind severity --out",
    "plot {run} --kind severity --normalizer",
    "train --method",
    "train --weights",
    "train --trained-on",
    "train --data-root",
    "check {run} --summary",
    "check {run} --baseline",
    "freeze {run} --out",
    "verify",
    "verify {run} --data-root",
    "corrupt",
    "corrupt {run} x --profile",
    "preview --corruptions",
    "preview --out",
    "list methods --backbone",
    "list methods --weights",
    "reproduce --out",
]


@pytest.mark.parametrize("option", VALUED)
def test_an_empty_value_is_not_the_default(option, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for given in ([f"--{option}", ""], [f"--{option}="], [f"--{option}", " "]):
        code, line = ending(["run", *given, "--dry-run"], capsys)
        assert code == 2
        assert f"--{option}: a value is expected" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", OTHERS)
def test_no_command_takes_an_empty_value(command, folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, line = ending([*command.format(run=folder).split(), ""], capsys)
    assert code == 2
    assert "is expected, got ''" in line
    assert not list(tmp_path.iterdir())


TEXTS = [
    *("methods", "corruptions", "dataset", "split", "data_root", "classes", "severities"),
    *("profile", "seed", "backbone", "weights", "train_seeds", "interpolation", "device"),
    *("ray_address", "out"),
]


@pytest.mark.parametrize("name", TEXTS)
def test_an_empty_setting_is_not_the_default(name):
    with pytest.raises(RobobenchError, match=f"--{name.replace('_', '-')}: .*expected"):
        Configuration.from_settings({name: ""})


@pytest.mark.parametrize("name", ["methods", "corruptions"])
@pytest.mark.parametrize("value", [[], [""], ",", " "])
def test_no_method_is_not_the_default(name, value):
    with pytest.raises(RobobenchError, match=f"--{name}: .*expected"):
        Configuration.from_settings({name: value})


TOML = {
    "limit = 1.5": "limit: expected a whole number, got 1.5",
    "limit = '10'": "limit: expected a whole number, got '10'",
    "limit = true": "limit: expected a whole number, got True",
    "limit = 2031-01-01": "limit: expected a whole number, got datetime.date(2031, 1, 1)",
    "dataset = 2031-01-01": "dataset: expected text, got datetime.date(2031, 1, 1)",
    "mean = [.5, .5]": "not valid TOML",
    "mean = [0.5, 0.5]": "mean: expected three numbers, got (0.5, 0.5)",
    "mean = 0.5": "mean: expected three numbers, got 0.5",
    "std = ['a', 'b', 'c']": "std: expected three numbers, got ('a', 'b', 'c')",
    "save-jpeg85 = 'no'": "save-jpeg85: expected true or false, got 'no'",
    "download = 1": "download: expected true or false, got 1",
    "plugin = 'x.py'": "plugin: expected a list of texts, got 'x.py'",
    "methods = 3": "methods: expected text or a list of texts, got 3",
    "methods = ['org', 3]": "methods: expected text or a list of texts, got ('org', 3)",
    "methods = []": "--methods: at least one is expected",
    "seed = 0.5": "seed: expected text or a whole number or a list of whole numbers, got 0.5",
    "out = ''": "out: expected text, got ''",
    "dry-run = 'no'": "dry-run: expected true or false, got 'no'",
    "no_report = 0": "no_report: expected true or false, got 0",
    "shard = 3": "shard: expected text, got 3",
    "[run]\nlimit = 10": "unknown key in",
    "[dataset]\nname = 'cifar10'": "dataset: expected text, got {'name': 'cifar10'}",
}


@pytest.mark.parametrize("text", TOML)
def test_a_value_of_another_type_is_named(text, tmp_path, capsys):
    file = tmp_path / "a.toml"
    file.write_text(text + "\n")
    code, line = ending(["run", "--config", file, "--dry-run"], capsys)
    assert code == 2
    assert TOML[text] in line


def test_a_file_says_whatever_the_command_line_says(tmp_path, capsys):
    from robobench.cli.run import run
    from robobench.evaluation.configuration import read_settings

    options = {p.name for p in run.params} - {"config"}
    file = tmp_path / "a.toml"
    for name in sorted(options):
        file.write_text(f"{name.replace('_', '-')} = 1979-05-27\n")
        with pytest.raises(RobobenchError, match="expected"):  # of another type, but known
            read_settings(file)
    out = tmp_path / "run"
    file.write_text(f"limit = 10\ncorruptions = 'jpeg'\ndry-run = true\nout = '{out}'\n")
    assert _exit_code(["run", "--config", str(file)]) == 0
    assert "predictions to make" in capsys.readouterr().out
    assert not out.exists()


def test_numbers_and_lists_are_taken_as_they_are():
    taken = Configuration.from_settings(
        {"seed": [0, 2], "severities": 3, "mean": [0, 0.5, 1], "methods": ["org", "median"]}
    )
    assert (taken.seed, taken.severities) == ((0, 2), 3)
    assert taken.mean == (0, 0.5, 1)


ODD = {
    "mean": ["nan,0.5,0.5", "inf,0.5,0.5", "0.5,0.5,-inf", "1e300,0,0"],
    "std": ["0,1,1", "-1,1,1", "nan,1,1", "inf,1,1", "1e-45,1,1", "1e-310,1,1"],
}


@pytest.mark.parametrize(("option", "value"), [(o, v) for o, vs in ODD.items() for v in vs])
def test_not_a_number_is_no_normalisation(option, value, capsys):
    code, line = ending(["run", f"--{option}", value, "--dry-run"], capsys)
    assert code == 2
    assert f"--{option}: expected three " in line
    assert "pixels on 0..1" in line


class Failing(nn.Module):
    """Gives NaN where the mean red is above the middle of these images."""

    def forward(self, x):
        red = x[:, 0].mean((1, 2))
        logits = torch.stack([red, 1 - red, red * 0], 1)
        return torch.where((red > 0.48)[:, None], torch.nan, logits)


def test_images_without_valid_probabilities_are_told(toy, tmp_path):
    settings = {**toy, "backbone": Failing(), "out": tmp_path / "run", "limit": 90}
    done = robobench.run(corruptions="jpeg", severities="1", **settings)
    shares = done.frame.query("metric == 'invalid'").value
    assert 0 < shares.mean() < 1
    (note,) = [n for n in done.manifest["notes"] if "NaN" in n]
    assert f"org gave no valid probabilities (NaN) for {shares.mean():.2%}" in note
    assert f"at most {shares.max():.2%}" in note
    assert robobench.load(tmp_path / "run").manifest["notes"] == done.manifest["notes"]


def test_valid_probabilities_get_no_note(toy, tmp_path):
    done = robobench.run(corruptions="jpeg", severities="1", limit=30, out=tmp_path / "r", **toy)
    assert not np.any(done.frame.query("metric == 'invalid'").value)
    assert not [n for n in done.manifest["notes"] if "NaN" in n]


def test_the_note_is_printed(tmp_path, capsys):
    (tmp_path / "net.py").write_text(
        "import torch\nfrom torch import nn\n"
        "class Net(nn.Module):\n    def forward(self, x):\n"
        "        return torch.full((len(x), 10), torch.nan)\n"
    )
    command = ["run", "--backbone", f"{tmp_path}/net.py:Net", "--corruptions", "jpeg", "--limit"]
    command += ["10", "--severities", "1", "--no-report", "--out", str(tmp_path / "run")]
    assert _exit_code(command) == 0
    assert "(NaN) for 100.00%" in " ".join(capsys.readouterr().out.split())
