"""An exit, an exception or an odd result in code that is not robobench's ends in words."""

import pytest
from edges import ending

RUN = "run --corruptions jpeg --severities 1 --limit 10 --no-report --methods org --out"
METHOD = """
import sys, robobench
@robobench.method("mine")
class Mine(robobench.Method):
    def predict(self, images, context):
        {body}
"""
METRIC = """
import sys, robobench
@robobench.metric("mine", higher_is_better=True, bounds=(0, 1))
def mine(predictions):
    {body}
"""
CORRUPTION = """
import sys, robobench
@robobench.corruption("mine")
def mine(images, level, keys):
    {body}
"""
DATASET = """
import sys, robobench
from robobench.datasets import open_dataset
@robobench.dataset("mine", backbone="vgg-tiny")
def mine(split):
    {body}
"""
FACTORY = """
import sys
def mine():
    {body}
"""
NET = """
from torch import nn
def net():
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 10))
"""
EXIT = "sys.exit(0)"


@pytest.fixture
def run(tmp_path, registered, capsys):
    """Run with a plug-in."""

    def run(source, *more):
        file = tmp_path / "added.py"
        file.write_text(source)
        plugin = ["--plugin", file] if "robobench" in source else []
        (tmp_path / "net.py").write_text(NET)
        options = [str(m).format(file=file, net=f"{tmp_path}/net.py:net") for m in more]
        return ending([*RUN.split(), tmp_path / "out", *plugin, *options], capsys)

    return run


def test_an_exit_in_a_plugin_file_is_no_success(run):
    code, line = run("import robobench, sys\nsys.exit(0)\n")
    assert code == 2
    assert "added.py: running it raised SystemExit: 0" in line


@pytest.mark.parametrize("body", [EXIT, "1 / 0"])
def test_an_exit_in_a_factory_is_no_success(run, body):
    code, line = run(FACTORY.format(body=body), "--backbone", "{file}:mine")
    assert code == 2
    assert "added.py:mine: running it raised" in line


def test_an_exit_in_predict_fails_its_cells(run):
    code, line = run(METHOD.format(body=EXIT), "--methods", "mine")
    assert code == 4
    assert "mine on" in line
    assert "SystemExit" in line


def test_an_exit_anywhere_else_is_no_success(tmp_path, registered, capsys):
    file = tmp_path / "added.py"
    file.write_text(
        "import click, robobench, sys\n@robobench.command('mine')\n@click.command()\n"
        "def mine(): sys.exit(0)\n"
    )
    code, line = ending(["--plugin", file, "mine"], capsys)
    assert code == 3
    assert "added.py, line 4" in line


OF_MINE = ["--dataset", "mine", "--backbone", "{net}"]
METHODS = {
    "a function": ("def mine(images): return images", "it is a function"),
    "no base": ("class Mine: pass", "it is another class"),
    "an exception": (
        "class Mine(robobench.Method):\n    def __init__(self, *a): 1 / 0",
        "Mine(backbone, weights) raised ZeroDivisionError",
    ),
    "other arguments": (
        "class Mine(robobench.Method):\n    def __init__(self): pass",
        "Mine(backbone, weights) raised TypeError",
    ),
    "no super": (
        "class Mine(robobench.Method):\n    def __init__(self, backbone, weights=None): pass",
        "is expected to call super().__init__",
    ),
}


@pytest.mark.parametrize("what", METHODS)
def test_a_method_of_another_kind_is_named(what, run):
    body, message = METHODS[what]
    code, line = run(f"import robobench\n@robobench.method('mine')\n{body}\n", "--methods", "mine")
    assert code == 2
    assert "'mine'" in line
    assert message in line


PREDICTS = ["1 / 0", "return [1, 2]", "return images", "return None", "raise SystemExit(0)"]


@pytest.mark.parametrize("body", PREDICTS)
def test_a_prediction_of_another_kind_fails_its_cells(body, run):
    code, line = run(METHOD.format(body=body), "--methods", "mine")
    assert code == 4
    assert "mine on" in line


OTHERS = {
    "metric": (
        METRIC,
        [
            (EXIT, "raised SystemExit: 0"),
            ("1 / 0", "raised ZeroDivisionError"),
            ("return 'high'", "expected one number, or a numpy array with one per image, got str"),
            ("return [1.0]", "got list"),
            ("return predictions.label[:, None]", "got ndarray of int64 (10, 1)"),
        ],
    ),
    "corruption": (
        CORRUPTION,
        [
            (EXIT, "raised SystemExit: 0"),
            ("1 / 0", "raised ZeroDivisionError"),
            ("return images.float()", "returned torch.float32 (10, 3, 32, 32): expected"),
            ("return None", "returned NoneType: expected torch.uint8 (10, 3, 32, 32)"),
        ],
    ),
    "dataset": (
        DATASET,
        [
            (EXIT, "raised SystemExit: 0"),
            ("1 / 0", "raised ZeroDivisionError"),
            ("return [1, 2]", "got a list without name, split"),
            (
                "d = open_dataset('shapes10'); d.read = lambda i, g: [1]; d.name = 'mine'; return d",
                "read returned a list, expected a torch.uint8 Tensor 1 x 3 x H x W",
            ),
        ],
    ),
}


@pytest.mark.parametrize(
    ("kind", "body", "message"),
    [(kind, *case) for kind, (_, cases) in OTHERS.items() for case in cases],
)
def test_an_addition_of_another_kind_is_named(kind, body, message, run):
    options = {"metric": [], "corruption": ["--corruptions", "mine"]}.get(kind, OF_MINE)
    code, line = run(OTHERS[kind][0].format(body=body), *options)
    assert code == 2
    assert "mine" in line
    assert message in line


def test_an_image_that_a_plugin_cannot_read_is_named(run):
    source = """
import robobench
from robobench.datasets import open_dataset
@robobench.dataset("mine", backbone="vgg-tiny")
class Mine:
    def __init__(self, split):
        d = open_dataset("shapes10")
        self.labels, self.class_names, self.profile = d.labels, d.class_names, d.profile
        self.name, self.split = "mine", split
    def __len__(self): return len(self.labels)
    def fingerprint(self): return "0" * 64
    def read(self, indices, geometry): raise KeyError("gone")
"""
    code, line = run(source, *OF_MINE)
    assert code == 2
    assert "dataset mine: read raised KeyError: 'gone'" in line
