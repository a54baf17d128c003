"""Rankings of classifiers: ties hold their level, and each column is what its source says."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy.special import expit, logit
from scipy.stats import linregress

from robobench.analysis.classifier_ranking import (
    effective_robustness,
    rank,
    robustness_line,
    separated,
)
from robobench.analysis.series import make_series
from robobench.analysis.statistics import sign_flip
from robobench.cli import cli
from robobench.errors import RobobenchError
from robobench.reports.builder import compose
from robobench.reports.classifier_plots import robustness_figure
from robobench.results.run import load
from robobench.results.store import Store
from robobench.types import CLEAN, Cell, Predictions

IMAGES = 400


def cell(backbone, corruption, level, method="org"):
    return Cell(
        dataset="made-up", split="test", geometry="g", corrupt_at="crop", profile="cifar-c",
        corruption=corruption, level=level, seed=0, method=method, backbone=backbone,
        weights="w", trained_on="clean" if method == "org" else "", train_seed=0,
    )  # fmt: skip


def predictions(right):
    count = len(right)
    return Predictions(
        index=np.arange(count), label=np.zeros(count, np.int64),
        predicted=np.where(right, 0, 1), confidence=np.full(count, 0.5, np.float32),
        true_probability=np.full(count, 0.5, np.float32),
    )  # fmt: skip


def made_up(accuracies, seed=0, method="org"):
    """Series of classifiers with these accuracies on clean, fog and contrast."""
    rng = np.random.default_rng(seed)
    difficulty = rng.random(IMAGES)
    cells = []
    for name, triple in accuracies.items():
        for (corruption, level), wanted in zip(
            [(CLEAN, 0.0), ("fog", 3.0), ("contrast", 3.0)], triple, strict=True
        ):
            right = np.zeros(IMAGES, bool)
            right[np.argsort(difficulty + 0.2 * rng.random(IMAGES))[: round(wanted * IMAGES)]] = (
                True
            )
            cells.append((cell(name, corruption, level, method), predictions(right)))
    return make_series(cells)


def test_ranks_are_intervals_and_columns_are_what_they_say():
    found = rank(made_up({"a": (0.9, 0.5, 0.5), "b": (0.95, 0.7, 0.8), "c": (0.9, 0.5, 0.502)}))
    frame = found.frame.set_index("name")
    assert list(found.frame["name"]) == ["b", "c", "a"]
    assert frame.loc["b", ["rank_low", "rank_high"]].tolist() == [1, 1]
    assert frame.loc["a", ["rank_low", "rank_high"]].tolist() == [2, 3]
    assert frame.loc["b", "mean"] == pytest.approx(0.75)
    assert frame.loc["b", "worst"] == "fog"
    assert found.normalizer == "a"
    assert frame.loc["b", "mce"] == pytest.approx(100 * (0.3 / 0.5 + 0.2 / 0.5) / 2)
    assert frame.loc["b", "relative_mce"] == pytest.approx(100 * (0.25 / 0.4 + 0.15 / 0.4) / 2)
    pairs = found.pairs.set_index(["better", "worse"])
    assert pairs.loc[("b", "a"), "separate"]
    assert not pairs.loc[("c", "a"), "separate"]
    assert pairs.loc[("b", "a"), "difference"] == pytest.approx(0.25)
    assert "<table" in found._repr_html_()


def test_equal_classifiers_are_rarely_separated():
    """Five of one accuracy over shared images: at most 5 % of rankings separate any two."""
    rng, wrong, rankings, images = np.random.default_rng(1), 0, 500, 300
    for _ in range(rankings):
        difficulty = rng.normal(0, 1, images)
        right = (0.3 + difficulty + rng.normal(0, 1, (5, images))) > 0
        p = [
            sign_flip(right[i].astype(int) - right[j].astype(int))
            for i in range(5)
            for j in range(i)
        ]
        wrong += bool(separated(p).any())
    assert wrong / rankings <= 0.05
    assert wrong > 0  # it can happen


def test_effective_robustness_is_the_distance_from_the_line():
    """On simulated classifiers, as Taori et al. (2020) define it."""
    rng = np.random.default_rng(0)
    clean = rng.uniform(0.5, 0.95, 40)
    expected = expit(0.8 * logit(clean) - 0.5 + rng.normal(0, 0.1, 40))
    gains = np.zeros(40)
    gains[:3] = 0.05, -0.1, 0.02  # remedies, to which the line is not fitted
    degraded = expected + gains
    line = robustness_line(clean[3:], degraded[3:], 10**6)
    beta = linregress(logit(clean[3:]), logit(degraded[3:]))
    assert line == pytest.approx((beta.slope, beta.intercept))
    found = effective_robustness(clean, degraded, line, 10**6)
    assert found == pytest.approx(degraded - expit(beta.intercept + beta.slope * logit(clean)))
    assert found[:3] - gains[:3] == pytest.approx(
        expected[:3] - expit(beta.intercept + beta.slope * logit(clean[:3]))
    )
    assert robustness_line(clean[:2], degraded[:2], 100) is None
    assert robustness_line(np.full(5, 0.9), degraded[:5], 100) is None
    perfect = robustness_line(np.array([1, 0.9, 0.8]), np.ones(3), 100)
    assert np.isfinite(perfect).all()


def test_the_line_of_the_plot_is_that_of_the_ranking():
    found = rank(
        made_up({n: (c, c - 0.2, c - 0.1) for n, c in (("a", 0.7), ("b", 0.8), ("c", 0.95))})
    )
    assert found.line is not None
    drawn = robustness_figure(found).axes[0].lines[-1]
    slope, start = found.line
    x, y = drawn.get_data()
    np.testing.assert_allclose(logit(y), start + slope * logit(x), rtol=1e-9)
    from_line = found.frame["mean"] - expit(start + slope * logit(found.frame["clean"]))
    np.testing.assert_allclose(found.frame["effective"], from_line)


def test_mistakes_are_named():
    everything = made_up({"a": (0.9, 0.5, 0.5), "b": (0.9, 0.5, 0.4)})
    with pytest.raises(RobobenchError, match="there is 1"):
        rank(everything[:1])
    with pytest.raises(RobobenchError, match="Known: org@clean"):
        rank(everything, method="orf")
    with pytest.raises(RobobenchError, match="normalizer 'alexnett'"):
        rank(everything, normalizer="alexnett")
    clean = [(cell(n, CLEAN, 0.0), predictions(np.ones(9, bool))) for n in "ab"]
    with pytest.raises(RobobenchError, match="no corruption in common"):
        rank(make_series(clean))


def test_the_command_ranks_runs_made_apart(tmp_path, monkeypatch):
    (tmp_path / "models.toml").write_text(
        '[whole]\nbackbone = "vgg-tiny"\n[enlarged]\nbackbone = "vgg-tiny"\nresize = 48\ncrop = 32\n'
    )
    common = (
        "run --methods org --corruptions jpeg,contrast --severities 2,4 --limit 100 --no-report"
    )
    runner = CliRunner()
    for arguments in (
        ["--models", f"{tmp_path}/models.toml", "--out", f"{tmp_path}/both"],
        ["--label", "whole", "--out", f"{tmp_path}/one"],
        ["--label", "other", "--resize", "48", "--crop", "32", "--out", f"{tmp_path}/two"],
        ["--label", "fewer", "--seed", "1", "--limit", "50", "--out", f"{tmp_path}/three"],
    ):
        done = runner.invoke(cli, [*common.split(), *arguments])
        assert done.exit_code == 0, done.output
        alone = "--models" not in arguments
        assert ("compares the classifiers" in done.output) != alone
        assert ("no method beside" in done.output) == alone
    table = tmp_path / "ranking.csv"
    both = runner.invoke(cli, ["rank", f"{tmp_path}/both", "--csv", str(table)])
    assert both.exit_code == 0, both.output
    assert "`" not in both.output
    assert "is right most often" in both.output
    assert "ECE, clean" in both.output
    ranking = pd.read_csv(table).set_index("name")
    run = load(tmp_path / "both")
    ece = run.frame[(run.frame["metric"] == "ece") & (run.frame["backbone"] == "whole")]
    degraded = ece[ece["corruption"] != CLEAN].groupby("corruption")["value"].mean().mean()
    assert ranking.loc["whole", "ece"] == pytest.approx(degraded, rel=1e-4)
    assert ranking["top5"].between(0.5, 1).all()
    fewer = runner.invoke(cli, ["rank", f"{tmp_path}/both", "--draws", "100", "--csv", f"{table}3"])
    assert fewer.exit_code == 0, fewer.output
    drawn = pd.read_csv(f"{table}3").set_index("name")
    assert drawn["mean"].equals(ranking["mean"])
    assert not drawn["mean_low"].equals(ranking["mean_low"])
    apart = runner.invoke(
        cli, ["rank", f"{tmp_path}/one", f"{tmp_path}/two", "--csv", str(table) + "2"]
    )
    assert apart.exit_code == 0, apart.output
    first, second = pd.read_csv(table), pd.read_csv(str(table) + "2")
    assert first["mean"].tolist() == second["mean"].tolist()
    assert first["name"].tolist() == second["name"].replace("other", "enlarged").tolist()
    alone = runner.invoke(cli, ["rank", f"{tmp_path}/one"])
    assert isinstance(alone.exception, RobobenchError)
    assert "there is 1" in str(alone.exception)
    report = runner.invoke(cli, ["report", f"{tmp_path}/both", "--format", "html,latex,markdown"])
    assert report.exit_code == 0, report.output
    page = (tmp_path / "both" / "report" / "index.html").read_text(encoding="utf-8")
    assert "Which classifier holds up" in page
    assert "Every pair of classifiers" in page
    reads, get = [], Store.get
    monkeypatch.setattr(Store, "get", lambda self, cell: reads.append(cell) or get(self, cell))
    compose([run := load(tmp_path / "both")])
    # Once for what is right and wrong, once for how sure it was.
    assert set(Counter(reads)) == set(run.cells)
    assert max(Counter(reads).values()) <= 2
