"""Studies: which trainings `robobench train --recipe NAME` makes, and in what order."""

from dataclasses import replace

import pytest

import robobench
from robobench.cli import _exit_code
from robobench.errors import RobobenchError
from robobench.registry import STUDIES
from robobench.training.recipes import recipe_named
from robobench.training.study import Training, trainings_of


@pytest.fixture
def toy():
    """A study of two data sets."""

    @robobench.study("toy-study")
    def toy_study():
        return [Training("cifar10", "jpg"), Training("cifar100", "arcnn", "noise", seed=3)]

    yield "toy-study"
    del STUDIES._entries["toy-study"]


def test_what_a_method_is_trained_on_is_completed(toy):
    assert trainings_of(toy) == [
        Training("cifar10", "jpg", "jpeg_compression", 0),
        Training("cifar100", "arcnn", "noise", 3),
    ]


def test_trainings_of_one_data_set(toy):
    assert [t.method for t in trainings_of(toy, "cifar100")] == ["arcnn"]
    with pytest.raises(RobobenchError, match="unknown data set of toy-study 'cifar1'"):
        trainings_of(toy, "cifar1")


def test_a_training_must_say_what_it_is_trained_on():
    @robobench.study("vague")
    def vague():
        return [Training("cifar10", "arcnn")]

    try:
        with pytest.raises(RobobenchError, match="arcnn: the study must say"):
            trainings_of("vague")
    finally:
        del STUDIES._entries["vague"]


def test_endo_2020_begins_with_the_networks_that_others_start_from():
    plan = trainings_of("endo-2020")
    assert len(set(plan)) == len(plan)
    for dataset in ("cifar10", "cifar100"):
        for seed in {t.seed for t in plan if t.dataset == dataset}:
            methods = [t.method for t in plan if (t.dataset, t.seed) == (dataset, seed)]
            assert methods[0] == "org"
    own = [t.method for t in plan if t.dataset == "cifar10" and t.seed == 0]
    assert own.index("adaptive") > max(own.index("jpg"), own.index("noisy"))
    for restorer in ("arcnn", "dncnn"):
        assert own.index(f"{restorer}-res") > own.index(restorer)


def test_every_training_of_endo_2020_has_its_recipe():
    for method in {t.method for t in trainings_of("endo-2020")}:
        assert recipe_named(method, None, "endo-2020").steps > 0, method


@pytest.mark.parametrize(
    "arms", [("jpg", "jpg-estqf", "jpg-trueqf"), ("noisy", "noisy-estnl", "noisy-truenl")]
)
def test_all_arms_of_a_comparison_are_trained_alike(arms):
    settings = [recipe_named(method, None, "endo-2020") for method in arms]
    own = {"ranges", "estimator_width", "estimator_steps", "shared"}
    alike = [
        (replace(r, options={}), {k: v for k, v in r.options.items() if k not in own})
        for r in settings
    ]
    assert alike[0] == alike[1] == alike[2]


def test_train_refuses_a_data_set_that_the_study_does_not_have(capsys):
    assert _exit_code(["train", "--recipe", "endo-2020", "--dataset", "shapes10"]) == 2
    assert "unknown data set of endo-2020 'shapes10'" in capsys.readouterr().err
