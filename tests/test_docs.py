"""The documentation: its commands and examples run, its pages are up to date, the site builds."""

import importlib.util
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from test_repair_page import Small

import robobench
from robobench import registry
from robobench.cli import _exit_code
from robobench.cli import cli as command_line
from robobench.errors import RobobenchError

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
EXAMPLES = DOCS / "examples"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md"])
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", flags=re.DOTALL | re.MULTILINE)
INCLUDED = re.compile(
    r"^<!-- (docs/examples/\S+) -->\n```\w+\n(.*?)^```", flags=re.DOTALL | re.MULTILINE
)
# Pages whose commands need other people's files or hours; their options are checked all the same,
# and repair.md has tests of its own.
ELSEWHERE = (
    "latex.md",
    "repair.md",
    "export.md",
    "endo-2020.md",
    "corruptions.md",
    "development.md",
)
FOREIGN = re.compile(
    r"--download|resnet18|--dataset cifar10|--ray-address|--device cuda|--recipe endo-2020|reproduce irdi"
)


def blocks(page):
    """Language and content of each block of shell commands or Python."""
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def test_examples_on_pages_are_the_files():
    shown = [f for page in PAGES for f in INCLUDED.findall(page.read_text(encoding="utf-8"))]
    assert len(shown) >= 6
    for path, content in shown:
        assert content == (ROOT / path).read_text(encoding="utf-8"), path


def commands(page):
    """The commands of robobench on a page, as lists of words."""
    shell = "\n".join(content for language, content in blocks(page) if language == "sh")
    lines = shell.replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.startswith("robobench ")]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_command_has_options_that_exist(page, registered):
    for _, *words in commands(page):
        if words[0] == "--plugin":
            registry.load_plugin_file(EXAMPLES / words[1])
            words = words[2:]
        context = click.Context(command_line)
        command = command_line.get_command(context, words[0])
        assert command is not None, words
        words = [w for w in words if w not in ("--help", "-h")]
        try:
            command.make_context(words[0], words[1:], parent=context)
        except (click.ClickException, RobobenchError) as error:
            pytest.fail(f"{' '.join(words)}: {error}")


FACTORY = """
import sys
sys.path.insert(0, {folder!r})
from test_repair_page import Small


def build():
    return Small()
"""
MODELS = ("model", "other")


@pytest.fixture
def scene(tmp_path, monkeypatch, registered):
    """A folder with the files that the how-to pages name."""
    rng = np.random.default_rng(0)
    for k in range(3):
        folder = tmp_path / "photos" / str(k)
        folder.mkdir(parents=True)
        for number in range(4):
            pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    for seed, name in enumerate(MODELS):
        torch.manual_seed(seed)
        save_file(Small().state_dict(), tmp_path / f"{name}.safetensors")
        (tmp_path / f"{name}.py").write_text(FACTORY.format(folder=str(Path(__file__).parent)))
    for file in (*EXAMPLES.glob("*.py"), *EXAMPLES.glob("*.csv")):
        (tmp_path / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def small(words):
    """A command on a few images, prepared as the networks of the scene need it."""
    if words[0] == "run":
        if "--limit" in words:
            words[words.index("--limit") + 1] = "20"
        else:
            words += ["--limit", "12"]
    if "--backbone" in words and "--crop" not in words and words[0] != "train":
        words += ["--crop", "32", "--resize", "36"] if words[0] == "run" else []
    if "folder:photos" in words:
        (Path("names.txt")).write_text("0\n1\n2")
        words += ["--classes", "names.txt"]
    return words


def walk(page, capsys):
    """Run the blocks of a page one after the other, as a reader would."""
    settings = re.findall(
        r"^```toml\n(\[mine\].*?)^```", page.read_text(), re.DOTALL | re.MULTILINE
    )
    for content in settings:
        Path("models.toml").write_text(content)
    files = {file.read_text(encoding="utf-8") for file in EXAMPLES.glob("*.py")}
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    known = {
        "my_module": Small(),
        "images": rng.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8),
        "labels": np.arange(12) % 3,
    }
    for language, content in blocks(page):
        if language == "python":
            if content in files:
                continue  # it is in the folder already
            if "def predict" in content:
                Path("flip.py").write_text(content)  # as the tutorial says
                continue
            Path("example.py").write_text(content)
            known |= runpy.run_path("example.py", init_globals=known)
            continue
        for line in content.replace("\\\n", " ").splitlines():
            if not line.startswith("robobench ") or FOREIGN.search(line):
                continue
            words = small(shlex.split(line, comments=True)[1:])
            if words == ["reproduce"]:
                continue  # a list of everything
            assert _exit_code(words) == 0, f"{line}\n{capsys.readouterr().err}"
    return known


HOW_TO = sorted((DOCS / "how-to").glob("*.md"))


@pytest.mark.slow
@pytest.mark.parametrize("page", HOW_TO, ids=lambda p: p.stem)
def test_the_commands_of_a_how_to_page_run(page, scene, capsys):
    walk(page, capsys)


def test_what_is_shown_is_complete():
    """Each page with commands is run here, or named above with the reason."""
    run = {*HOW_TO, DOCS / "tutorial.md", DOCS / "tables.md", DOCS / "index.md", ROOT / "README.md"}
    generated = {*(DOCS / "methods").glob("*.md"), DOCS / "results.md", DOCS / "ideas.md"}
    elsewhere = {DOCS / name for name in ELSEWHERE}
    left = [p for p in PAGES if blocks(p) and p not in run | generated | elsewhere]
    assert not left, "add a test that runs their commands"


@pytest.mark.slow
def test_the_tutorial_runs(scene, capsys):
    walk(DOCS / "tutorial.md", capsys)
    assert robobench.load("runs/first").is_complete


@pytest.mark.slow
def test_the_page_of_tables_runs(scene, capsys):
    robobench.run("median", "jpeg:10", limit=12, out="runs/shapes10")
    known = walk(DOCS / "tables.md", capsys)
    assert known["run"].label == "shapes10"


def test_the_pytest_example_of_the_ci_page_is_a_test(scene):
    (example,) = [b for language, b in blocks(DOCS / "how-to" / "ci.md") if language == "python"]
    assert "def test_" in example
    compile(example, "ci.md", "exec")


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pages_of_methods_are_up_to_date():
    """`python docs/make_methods.py` writes them; measurements stay as they are."""
    for file, text in load(DOCS / "make_methods.py").pages([]).items():
        assert file.read_text(encoding="utf-8") == text, f"{file.name}: make_methods.py"


def test_the_inputs_of_the_action_are_listed():
    text = (DOCS / "how-to" / "ci.md").read_text(encoding="utf-8")
    yaml = pytest.importorskip("yaml")
    inputs = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))["inputs"]
    listed = re.findall(r"^\| `([\w-]+)` \| .* \|", text, flags=re.MULTILINE)
    assert listed == list(inputs)


def test_the_decorators_link_their_examples():
    text = (ROOT / "bench" / "registry" / "decorators.py").read_text(encoding="utf-8")
    named = re.findall(r"docs/examples/(\w+)\.py", text)
    assert {*named} == {p.stem for p in EXAMPLES.glob("*.py")} - {"test_plugins"}


def test_the_readme_fits_on_two_screens():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 100
    linked = re.findall(r"\]\((docs/[^)#]+|CHANGELOG.md)\)", "\n".join(lines))
    assert not [path for path in linked if not (ROOT / path).is_file()]


def test_every_metric_is_explained():
    text = (DOCS / "metrics.md").read_text(encoding="utf-8")
    own = [n for n in registry.METRICS if registry.METRICS.entry(n).module.startswith("robobench.")]
    assert not [name for name in own if f"`{name}`" not in text]


def test_pictures_stay_small():
    assert sum(p.stat().st_size for p in (DOCS / "pictures").iterdir()) < 300_000


@pytest.mark.slow
def test_the_notebook_runs(scene):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    book = nbformat.read(EXAMPLES / "first-steps.ipynb", as_version=4)
    nbclient.NotebookClient(book, timeout=300, resources={"metadata": {"path": scene}}).execute()
    assert not [c for c in book.cells if c.cell_type == "code" and not c.execution_count]


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    if not (ROOT / "build" / "types" / "robobench").exists():
        pytest.skip("bash docs/link-types makes the links that mkdocstrings reads")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for page in ("metrics", "methods/afd"):
        made = (tmp_path / page / "index.html").read_text(encoding="utf-8")
        assert "<math " in made
        assert "arithmatex" not in made, "a formula that is still LaTeX"
    assert not list(tmp_path.rglob("make_*.py"))


def test_developers_hooks_run_what_tox_runs():
    yaml = pytest.importorskip("yaml")
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    entries = " ".join(hook["entry"] for repository in hooks for hook in repository["hooks"])
    for tool in ("ruff check", "ruff format", "mypy", "lint-imports"):
        assert tool in entries
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extra = " ".join(project["optional-dependencies"]["dev"])
    assert all(tool in extra for tool in ("ruff", "mypy", "import-linter", "check-jsonschema"))
