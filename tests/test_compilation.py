"""``--compile``: what was compiled is told apart, the rest is as before, and what cannot be is refused."""

import warnings

import pytest
import torch
from conftest import toy_settings
from torch import nn

import robobench
from robobench.backbones.compiling import compiled
from robobench.cli import _exit_code
from robobench.errors import RobobenchError
from robobench.evaluation import compilation
from robobench.evaluation.configuration import Configuration

SETTINGS = {"methods": "org,median", "corruptions": "jpeg", "severities": "1", "limit": 100}


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A run that was compiled, and one that was not."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", str(folder / "cache"))
        made = robobench.run(
            compile="always", out=folder / "compiled", **SETTINGS, **toy_settings()
        )
    assert list((folder / "cache").iterdir())
    return made, robobench.run(out=folder / "plain", **SETTINGS, **toy_settings())


@pytest.mark.slow
class TestOfARealCompilation:
    def test_cells_are_told_apart_and_agree(self, pair):
        made, plain = pair
        assert {(c.method, c.compiled) for c in made.cells} == {("org", "inductor"), ("median", "")}
        assert {c.compiled for c in plain.cells} == {""}
        assert len({c.digest for run in pair for c in run.cells}) == 6
        for cell in made.cells:
            (other,) = (c for c in plain.cells if (c.method, c.level) == (cell.method, cell.level))
            one, two = made.predictions(cell), plain.predictions(other)
            if not cell.compiled:
                assert made.store.path(cell).read_bytes() == plain.store.path(other).read_bytes()
            assert one.confidence == pytest.approx(two.confidence, abs=1e-4)
            assert (one.predicted == two.predicted).all()

    def test_the_manifest_says_so(self, pair):
        manifest = pair[0].manifest
        assert manifest["configuration"]["compile"] == "always"
        assert {m["method"]: m["compiled"] for m in manifest["methods"]} == {
            "org": "inductor",
            "median": "",
        }
        told = " ".join(manifest["notes"])
        assert "torch.compile" in told
        assert "Not compiled, as they are not one network of tensor operations: median." in told

    def test_a_folder_holds_one_kind(self, pair):
        for run, word in zip(pair, ("never", "always"), strict=True):
            before = sorted(run.folder.rglob("*"))
            with pytest.raises(RobobenchError, match="word for --compile"):
                robobench.run(compile=word, out=run.folder, **SETTINGS, **toy_settings())
            assert sorted(run.folder.rglob("*")) == before

    def test_auto_goes_on_as_the_folder_began(self, pair, monkeypatch):
        monkeypatch.setattr(compilation, "_measured", None)
        more = {**SETTINGS, "methods": "median", "no_reference": True}
        for run, word in zip(pair, ("always", "never"), strict=True):
            again = robobench.run(compile="auto", out=run.folder, **more, **toy_settings())
            assert again.manifest["configuration"]["compile"] == word
            assert any("as when this run began" in note for note in again.manifest["notes"])

    def test_a_check_says_what_differs_and_compares(self, pair, tmp_path, capsys):
        made, plain = pair
        baseline = str(tmp_path / "baseline.json")
        assert _exit_code(["freeze", str(plain.folder), "--out", baseline]) == 0
        assert _exit_code(["check", str(made.folder), "--baseline", baseline]) == 0
        assert "compiled inductor now, none in the baseline" in capsys.readouterr().out
        assert _exit_code(["verify", str(made.folder)]) == 0

    def test_the_two_are_not_merged(self, pair, tmp_path, capsys):
        folders = [str(run.folder) for run in pair]
        assert _exit_code(["merge", *folders, "--out", str(tmp_path / "merged")]) == 2
        assert "org has the compiled inductor in one run, none" in capsys.readouterr().err


class Broken(nn.Module):
    """Stands for a compiler that makes mistakes."""

    def __call__(self, network, example, called):
        return lambda images: torch.eye(3)[torch.arange(len(images)) % 3] * 9


def test_a_wrong_compiler_is_found_out(tmp_path, monkeypatch):
    monkeypatch.setattr(compilation, "compiled", Broken())
    with pytest.raises(RobobenchError, match="org says something else once compiled"):
        robobench.run(compile="always", out=tmp_path / "run", **SETTINGS, **toy_settings())
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_compiled_is_told_in_a_line(tmp_path, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("no such operation\nand much more")

    monkeypatch.setattr(torch, "compile", broken)
    with pytest.raises(
        RobobenchError, match=r"org cannot be compiled \(RuntimeError: no such op"
    ) as e:
        robobench.run(compile="always", out=tmp_path / "run", **SETTINGS, **toy_settings())
    assert "\n" not in str(e.value)
    assert not (tmp_path / "run").exists()


def test_without_a_compiler_nothing_begins(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    for word in (["--compile", "always"], ["--compile"]):
        out = tmp_path / "run"
        code = _exit_code(["run", "--corruptions", "jpeg", "--out", str(out), *word])
        line = capsys.readouterr().err
        assert code == 2
        assert "--compile: a C++ compiler is expected, there is no" in line
        assert line.count("\n") == 1
        assert not out.exists()


@pytest.mark.filterwarnings("ignore")  # what torch says of its own formats
def test_a_program_is_refused(tmp_path, capsys):
    class Flat(nn.Module):
        def forward(self, x):
            return x.mean((2, 3)).repeat(1, 4)[:, :10]

    torch.jit.save(torch.jit.trace(Flat().eval(), torch.rand(1, 3, 32, 32)), tmp_path / "net.ts")
    words = ["--backbone", f"ts:{tmp_path / 'net.ts'}", "--compile", "always", "--crop", "32"]
    assert _exit_code(["run", "--corruptions", "jpeg", "--out", str(tmp_path / "run"), *words]) == 2
    assert "is a program already: leave out --compile" in capsys.readouterr().err


def settle(tmp_path, backbone, passes, word="auto"):
    configuration = Configuration(compile=word, out=str(tmp_path / "new"))
    backbone.side = 32  # as a run sets it
    settled, notes = compilation.settle_compilation(configuration, [backbone], passes)
    return settled.compile, " ".join(notes)


def test_a_short_run_is_not_compiled(tmp_path, backbone, monkeypatch):
    monkeypatch.setattr(compilation, "compiled", None)
    word, told = settle(tmp_path, backbone, 100)
    assert word == "never"
    assert "and compiling pays from 300 s on" in told
    assert settle(tmp_path, backbone, 10**9, "never") == ("never", "")


@pytest.mark.parametrize(("times", "word"), [(2, "always"), (1.02, "never"), (0.5, "never")])
def test_auto_takes_the_faster(tmp_path, backbone, monkeypatch, times, word):
    asked = []

    def compiled(network, example, called):
        asked.append((type(network).__name__, tuple(example.shape), called))
        return network

    monkeypatch.setattr(compilation, "compiled", compiled)
    monkeypatch.setattr(
        compilation, "timed_in_turns", lambda ways, run: [run(w) for w in ways] and {
            "never": times, "always": 1.0,
        },
    )  # fmt: skip
    found, told = settle(tmp_path, backbone, 10**9)
    assert asked == [("DeployedClassifier", (64, 3, 32, 32), "vgg-tiny")]
    assert found == word
    assert f"vgg-tiny is {times:.2f} times as fast here if it is" in told


def test_auto_tells_that_it_failed(tmp_path, backbone, monkeypatch):
    def compiled(network, example, called):
        raise RobobenchError("--compile: no")

    monkeypatch.setattr(compilation, "compiled", compiled)
    word, told = settle(tmp_path, backbone, 10**9)
    assert word == "never"
    assert told == "Networks were not compiled (--compile auto): --compile: no."


def test_another_word_is_refused(capsys):
    assert _exit_code(["run", "--compile", "maybe", "--dry-run"]) == 2
    assert "--compile: expected auto or always or never, got 'maybe'" in capsys.readouterr().err


def test_plain_compile_means_auto(tmp_path, capsys):
    words = [
        "--corruptions",
        "jpeg:10",
        "--limit",
        "20",
        "--no-report",
        "--out",
        str(tmp_path / "a"),
    ]
    assert _exit_code(["run", "--compile", *words]) == 0
    assert "compiling pays from" in capsys.readouterr().out


def test_torchs_advice_to_compute_less_exactly_is_not_passed_on(monkeypatch, tmp_path):
    def advising(network, **settings):
        def run(images):
            warnings.warn("TensorFloat32 tensor cores are available but not enabled", stacklevel=1)
            warnings.warn(
                "`torch.jit.script_method` is deprecated", DeprecationWarning, stacklevel=1
            )
            return network(images)

        return run

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("torch.compile", advising)
    network = nn.Identity()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        compiled(network, torch.zeros(1), "a network")
    assert not told
