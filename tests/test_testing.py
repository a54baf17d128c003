"""robobench.testing: contracts notice broken plug-ins, and regressions fail a test suite."""

import subprocess
import sys
from pathlib import Path
from shutil import copy

import numpy as np
import pytest
import torch

import robobench
from robobench.datasets import from_arrays
from robobench.errors import RobobenchError
from robobench.testing import assert_no_regression, check_contract, contract
from robobench.testing.promises import KINDS
from robobench.testing.pytest_plugin import NoRegression
from robobench.testing.regression import freeze_baseline

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"
OWN = (
    ("method", "mirror-average"),
    ("trained_method", "deblurred"),
    ("corruption", "posterize"),
    ("dataset", "bars"),
    ("backbone", "small-cnn"),
    ("metric", "overconfident"),
    ("section", "hardest"),
)
LONG = ("trained_method", "section")


@pytest.mark.parametrize(("kind", "name"), [o for o in OWN if o[0] not in LONG])
def test_the_examples_keep_their_promises(kind, name, registered):
    check_contract(kind, name, plugin=EXAMPLES / f"{kind}.py")


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), [o for o in OWN if o[0] in LONG])
def test_the_examples_that_take_longer_keep_theirs(kind, name, registered):
    check_contract(kind, name, plugin=EXAMPLES / f"{kind}.py")


def test_there_is_a_contract_of_every_kind():
    assert [kind for kind, _ in OWN] == list(KINDS)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("dataset", "shapes10"), ("backbone", "vgg-tiny"), ("backbone", "resnet-20")],
)
def test_some_of_what_is_built_in(kind, name):
    check_contract(kind, name)


class Odd(robobench.Method):
    """The classifier, with something wrong."""

    def predict(self, images, context):
        return self.backbone(images)


def method(**members):
    return robobench.method("odd")(type("Odd", (Odd,), {"__doc__": Odd.__doc__, **members}))


def wrong(given):
    """What makes a method wrong, as a `predict`."""

    def predict(self, images, context):
        return given(self, images)

    return predict


def overwrite(self, images):
    images.zero_()
    return self.backbone(images)


def centre(self, images):
    found = self.backbone(images)
    return (found + found.mean(0)) / 2


def count(self, images):
    self.calls = getattr(self, "calls", 0) + 1
    return torch.full((len(images), 10), 0.1) if self.calls > 1 else self.backbone(images)


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"predict": wrong(lambda m, x: m.backbone.logits(x))}, "probabilities are expected"),
        ({"predict": wrong(lambda m, x: m.backbone(x).double())}, "float32 is expected"),
        ({"predict": wrong(lambda m, x: m.backbone(x)[:, :3])}, r"\(6, 10\) is expected"),
        ({"predict": wrong(overwrite)}, "leaves_its_input_alone"),
        ({"predict": wrong(count)}, "says_the_same_again"),
        ({"predict": wrong(centre)}, "looks_at_one_image_at_a_time"),
        (
            {
                "from_stem": lambda self, features, images, context: (
                    self.predict(images, context) * 0
                )
            },
            "answers_from_the_stem_alike",
        ),
        ({"cost": lambda self: robobench.Cost(0, 0)}, "tells_its_cost"),
        ({"columns": lambda self, *_: {"x": torch.zeros(2)}}, "one number per image"),
        ({"needs": frozenset({"levle"})}, "declares_itself"),
    ],
)
def test_what_is_wrong_with_a_method_is_said(members, said, registered):
    method(**members)
    with pytest.raises(AssertionError, match=said) as caught:
        check_contract("method", "odd")
    assert "\n" not in str(caught.value)


def odd_corruption(function, **options):
    robobench.corruption("odd", **{"random": False, **options})(function)


def noisy(images, level, keys):
    return (images + torch.randint(0, 9, images.shape)).to(torch.uint8)


def in_place(images, level, keys):
    images += 1
    return images


@pytest.mark.parametrize(
    ("function", "options", "said"),
    [
        (noisy, {"random": True}, "depends_on_seed_and_index_alone"),
        (in_place, {}, "leaves_its_input_alone"),
        (lambda images, level, keys: images // 2 + int(images.max()) // 9, {}, "are the same"),
        (
            lambda images, level, keys: (images // level) + int(images.float().mean()) % 7,
            {},
            "looks_at_one_image_at_a_time",
        ),
        (lambda images, level, keys: images // level + 1, {"random": True}, "random=False"),
        (
            lambda images, level, keys: images // level + (keys % 7).to(torch.uint8)[:, None, None, None],
            {},
            "seed or index matter",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_corruption_is_said(function, options, said, registered):
    odd_corruption(function, **options)
    with pytest.raises(AssertionError, match=said):
        check_contract("corruption", "odd")


def test_what_is_wrong_with_other_plugins_is_said(registered):
    arrays = np.zeros((9, 8, 8, 3), np.uint8), np.arange(9) % 2

    @robobench.dataset("odd")
    def dataset():
        """Its fingerprint changes."""
        opened = from_arrays(*arrays)
        opened.fingerprint = lambda: f"{id(opened):064x}"
        return opened

    @robobench.metric("odd", higher_is_better=True, bounds=(0, 1))
    def metric(predictions):
        """The confidence of the first image, in percent."""
        return float(100 * predictions.confidence[0])

    @robobench.backbone("odd")
    def backbone(classes):
        """As many outputs as it likes."""
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(3))

    for kind, said in (
        ("dataset", "knows_itself"),
        ("metric", "0 to 1 is expected"),
        ("backbone", "gives_logits"),
    ):
        with pytest.raises(AssertionError, match=said):
            check_contract(kind, "odd")


@pytest.mark.slow
def test_what_is_wrong_with_a_section_is_said(registered):
    @robobench.section("odd", order=999)
    def section(run):
        """It changes the table that others read."""
        run.frame["value"] = 0
        return []

    with pytest.raises(AssertionError, match=r"changed run\.frame"):
        check_contract("section", "odd")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: contract("metod", "org"), "did you mean 'method'"),
        (lambda: contract("method"), "names are expected"),
        (lambda: contract("method", "org", plugin="no.py"), "no such file"),
        (lambda: check_contract("method", "og"), "did you mean 'org'"),
        (lambda: check_contract("trained_method", "median"), "nothing to train"),
        (lambda: check_contract("method", "finetune"), "robobench train"),
    ],
)
def test_mistakes_are_one_line(call, said):
    with pytest.raises(RobobenchError, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory, write_run):
    """A run, one with a worse method of the same name, and the baseline of the first."""
    place = tmp_path_factory.mktemp("regression")
    good = write_run(place / "good", ("afd",), shown=False)
    bad = write_run(place / "bad", ("afd",), shown=False, weights="b", skill={"afd": (0.9, 0.14)})
    freeze_baseline(good, place / "baseline.json")
    return good, bad, place / "baseline.json"


def test_a_regression_fails_as_an_assertion(two_runs):
    good, bad, baseline = two_runs
    assert assert_no_regression(good, baseline).outcome == "same"
    assert assert_no_regression(robobench.load(good), baseline).outcome == "same"
    with pytest.raises(AssertionError, match="worse than the baseline") as caught:
        assert_no_regression(bad, baseline)
    assert "jpeg_compression" in str(caught.value), "the table that check prints"
    assert_no_regression(bad, baseline, tolerance=90)


def test_the_fixture_freezes_checks_and_refuses(two_runs, tmp_path, no_regression):
    good, bad, baseline = two_runs
    no_regression(good, baseline=baseline)
    with pytest.raises(RobobenchError, match="--robobench-freeze"):
        no_regression(good, baseline="nowhere.json")
    for both_or_neither in ({}, {"run": good, "limit": 3}):
        with pytest.raises(RobobenchError, match=r"got (both|neither)"):
            no_regression(baseline=baseline, **both_or_neither)
    freezing = NoRegression(tmp_path, tmp_path / "runs", freezes=True)
    with pytest.raises(pytest.skip.Exception, match="wrote"):
        freezing(methods="org", corruptions="jpeg", limit=20, baseline="new.json")
    checking = NoRegression(tmp_path, tmp_path / "more", freezes=False)
    told = checking(methods="org", corruptions="jpeg", limit=20, baseline="new.json")
    assert told.outcome == "same"
    with pytest.raises(AssertionError):
        checking(bad, baseline=baseline)


def pytest_in(folder, *arguments):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_example_is_a_test_suite(tmp_path):
    for file in EXAMPLES.glob("*.py"):
        copy(file, tmp_path)
    first = pytest_in(tmp_path, "--robobench-freeze")
    assert first.returncode == 0, first.stdout
    assert (tmp_path / "baseline.json").is_file()
    second = pytest_in(tmp_path)
    assert second.returncode == 0, second.stdout


def test_pytest_starts_without_torch(tmp_path):
    (tmp_path / "test_light.py").write_text(
        "import sys\n\n\ndef test_light():\n"
        "    import robobench.testing\n"
        "    assert 'robobench.testing.pytest_plugin' in sys.modules, 'the entry point'\n"
        "    assert not {'torch', 'numpy', 'pandas'} & set(sys.modules)\n"
    )
    done = pytest_in(tmp_path)
    assert done.returncode == 0, done.stdout
