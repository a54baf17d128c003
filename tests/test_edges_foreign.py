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
EXIT = "sys.exit(0)"


@pytest.fixture
def run(tmp_path, registered, capsys):
    """Run with a plug-in."""

    def run(source, *more):
        file = tmp_path / "added.py"
        file.write_text(source)
        plugin = ["--plugin", file] if "robobench" in source else []
        options = [str(m).format(file=file) for m in more]
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
