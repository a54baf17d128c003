"""shapes10 behaves as photographs do, and what is shipped for it keeps its promises."""

import pytest

import robobench


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    """Mean accuracies of the shipped networks on half of the test images, by method and levels."""
    run = robobench.run(
        methods="org,jpg,noisy,afd,ddp",
        corruptions="jpeg,jpeg:1-19/3,jpeg:81-99/3,gaussian_noise",
        limit=1000,
        out=tmp_path_factory.mktemp("shipped"),
    )
    frame = run.frame[run.frame.metric == "accuracy"]

    def accuracy(method, corruption, low, high):
        rows = frame[(frame.method == method) & (frame.corruption == corruption)]
        rows = rows[rows.level.between(low, high)]
        assert len(rows)
        return rows.value.mean()

    return accuracy


def jpeg_loss(summary):
    return summary("org", "jpeg_compression", 81, 100) - summary("org", "jpeg_compression", 1, 20)


# Severity 5 of the CIFAR profile: 0.1 of the range.
SIGMA = 25.5


def noise_loss(summary):
    return summary("org", "clean", 0, 0) - summary("org", "gaussian_noise", SIGMA, SIGMA)


def test_org_knows_clean_images(summary):
    assert summary("org", "clean", 0, 0) >= 0.90


def test_org_loses_a_quarter_to_strong_compression(summary):
    assert jpeg_loss(summary) >= 0.25


def test_org_loses_a_quarter_to_strong_noise(summary):
    assert noise_loss(summary) >= 0.25


def test_training_on_jpeg_wins_half_of_it_back(summary):
    won = summary("jpg", "jpeg_compression", 1, 20) - summary("org", "jpeg_compression", 1, 20)
    assert won >= 0.5 * jpeg_loss(summary)


def test_training_on_noise_wins_half_of_it_back(summary):
    won = summary("noisy", "gaussian_noise", SIGMA, SIGMA) - summary(
        "org", "gaussian_noise", SIGMA, SIGMA
    )
    assert won >= 0.5 * noise_loss(summary)


@pytest.mark.parametrize("method", ["afd", "ddp"])
def test_a_plugin_recovers_a_fifth_of_what_jpeg_costs(summary, method):
    def mean(name):
        levels = (80, 65, 58, 50, 40)
        return sum(summary(name, "jpeg_compression", q, q) for q in levels) / 5

    lost = summary("org", "clean", 0, 0) - mean("org")
    assert mean(method) - mean("org") >= 0.2 * lost
