"""A plug-in's name replaces nothing unnoticed, and can be written in lists, cells and files."""

import json

import pytest
from edges import ending

import robobench
from robobench.cli import _exit_code
from robobench.errors import RobobenchError
from robobench.registry import CORRUPTIONS, METHODS, Registry

HALF = '''
import robobench

@robobench.method("{name}"{more})
class Half(robobench.Method):
    """Half of each probability."""

    def predict(self, images, context):
        return self.backbone(images) / 2
'''
DARKER = '''
import robobench

@robobench.corruption("{name}"{more})
def darker(images, level, keys):
    """Half as bright."""
    return images // 2
'''


@pytest.fixture
def plugin(tmp_path, registered):
    """Write a plug-in file."""

    def write(source, name, more=""):
        path = tmp_path / "added.py"
        path.write_text(source.format(name=name, more=more))
        return path

    return write


@pytest.mark.parametrize(
    ("source", "name", "more"),
    [
        (HALF, "median", ""),
        (HALF, "org", ""),
        (HALF, "half", ", aliases=('median',)"),
        (DARKER, "fog", ""),
        (DARKER, "jpeg", ""),
    ],
)
def test_a_name_that_is_taken_is_refused(source, name, more, plugin, capsys):
    kind = "methods" if source is HALF else "corruptions"
    code, line = ending(["list", kind, "--plugin", plugin(source, name, more)], capsys)
    assert code == 2
    assert "is already registered by robobench." in line
    assert "override=True" in line


def test_a_replacement_that_says_so_is_marked(plugin, capsys, tmp_path):
    file = plugin(HALF, "median", ", override=True")
    assert _exit_code(["list", "methods", "--plugin", str(file)]) == 0
    listed = capsys.readouterr().out
    assert "[replaces robobench.baselines.median.Median] Half" in " ".join(listed.split())
    import robobench.baselines.median  # noqa: F401 - what was replaced does not come back

    assert METHODS["median"].__name__ == "Half"
    out = tmp_path / "run"
    command = f"run --methods median --corruptions jpeg --severities 1 --limit 10 --out {out}"
    assert _exit_code([*command.split(), "--no-report", "--plugin", str(file)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    notes = json.loads((out / "manifest.json").read_text())["notes"]
    (note,) = [n for n in notes if "replaces robobench.baselines.median.Median" in n]
    assert note in said


def test_an_alias_can_be_replaced(plugin, capsys):
    file = plugin(DARKER, "jpeg", ", override=True")
    assert _exit_code(["list", "corruptions", "--plugin", str(file)]) == 0
    capsys.readouterr()
    assert CORRUPTIONS.canonical("jpeg") == "jpeg"
    assert CORRUPTIONS["jpeg"].__name__ == "darker"
    assert CORRUPTIONS["jpeg_compression"].__name__ != "darker"
    assert CORRUPTIONS.canonical("jpeg") == "jpeg"


def test_a_command_does_not_replace_a_built_in_one(tmp_path, registered, capsys):
    file = tmp_path / "added.py"
    file.write_text(
        "import click, robobench\n@robobench.command('run')\n@click.command()\ndef mine(): pass\n"
    )
    code, line = ending(["--plugin", file, "run"], capsys)
    assert code == 2
    assert "'run' of" in line


ODD = ["a\nb", "a\0b", "a@b", "a:b", "a,b", "-a", "a/b", "a\\b", "..", "a..b", "\u200b", ""]


@pytest.mark.parametrize("name", ODD)
def test_a_name_that_cannot_be_written_is_refused(name):
    with pytest.raises(RobobenchError, match="expected lower case"):
        Registry("method").register(name)(type("Odd", (), {}))
    with pytest.raises(RobobenchError, match="expected lower case"):
        Registry("method").register("even", aliases=(name,))(type("Odd", (), {}))


def test_a_corruption_is_no_mixture_by_name():
    with pytest.raises(RobobenchError, match="expected lower case"):
        Registry("corruption").register("a+b")(type("Odd", (), {}))
    Registry("method").register("a+b")(type("Even", (), {}))


def test_a_forgotten_name_is_said():
    with pytest.raises(RobobenchError, match=r'@robobench\.method\("NAME"\)'):

        @robobench.method
        class Nameless(robobench.Method):
            pass


def test_aliases_are_a_tuple():
    with pytest.raises(RobobenchError, match="aliases are a tuple"):
        Registry("method").register("even", aliases="even2")(type("Even", (), {}))
