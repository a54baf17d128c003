"""Endo, Tanaka, Okutomi: CNN-based Classification of Degraded Images (Electronic Imaging 2020).

The paper's tables 2 to 6 and figures 4 to 8, with the published numbers.
"""

from dataclasses import replace

import robobench
from robobench.reproductions import Column, Gain, Reproduction, Row

_RECIPE = "endo-2020"

_QUALITIES = tuple(
    Column(f"Acc({low},{low + 19})", f"jpeg_compression:{low}-{low + 19}", f"{low}-{low + 19}")
    for low in range(1, 101, 20)
)
_SIGMAS = tuple(
    Column(f"Acc({low},{high})", f"gaussian_noise:{low}-{high}", f"{low}-{high}")
    for low, high in ((0, 10), (11, 20), (21, 30), (31, 40), (41, 50))
)
_ONE_TRAINING = (
    "The published numbers are of single networks, without intervals; the paper states neither the "
    "sizes of the networks nor the length or number of their trainings."
)
_INTERVAL_MEAN = (
    "Acc(a,b) is the plain mean of the accuracies at every integer level from a to b (equation 1); "
    "the last published column is computed from the others."
)
_OVER_IMAGES = "Mean and standard deviation over the CIFAR-10 test images, averaged over trainings."
# The control of the paper's claim comes always, the others on demand.
_JPEG_CONTROL, _NOISE_CONTROL = "jpg-shuffledqf", "noisy-shuffledlevel"
_JPEG_ON_DEMAND = tuple(map(Row, ("jpg-exactqf", "jpg-trueqf", "adaptive")))
_NOISE_ON_DEMAND = tuple(map(Row, ("noisy-truenl", "adaptive")))


def _jpeg(title: str, dataset: str, published: dict[str, tuple[float, ...]]) -> Reproduction:
    return Reproduction(
        title=title,
        dataset=dataset,
        run_folder=f"endo-2020-{dataset}-jpeg",
        columns=_QUALITIES,
        rows=(
            Row("org", "Org", published["org"]),
            Row("jpg", "Jpg", published["jpg"]),
            Row("jpg-estqf", "Jpg and Est. Q.F.", published["jpg-estqf"]),
        ),
        further=(Row(_JPEG_CONTROL),),
        on_demand=_JPEG_ON_DEMAND,
        whole="Acc(1,100)",
        gain=Gain("jpg-estqf", "jpg", _JPEG_CONTROL, "the estimated quality"),
        recipe=_RECIPE,
        notes=(_INTERVAL_MEAN, _ONE_TRAINING),
    )


def _levels(
    title: str,
    run_folder: str,
    columns: tuple[Column, ...],
    method: str,
    mean: tuple[float, ...],
    deviation: tuple[float, ...],
    further: tuple[str, ...] = (),
) -> Reproduction:
    return Reproduction(
        title=title,
        dataset="cifar10",
        run_folder=run_folder,
        columns=columns,
        rows=(
            Row(method, "Mean", mean, "level mean"),
            Row(method, "S.D.", deviation, "level sd"),
        ),
        further=tuple(
            row
            for name in further
            for row in (
                Row(name, f"{name}, mean", statistic="level mean"),
                Row(name, f"{name}, s.d.", statistic="level sd"),
            )
        ),
        recipe=_RECIPE,
        notes=(_OVER_IMAGES, _ONE_TRAINING),
    )


@robobench.reproduction("irdi-table2", paper="Endo et al. 2020")
def table2() -> Reproduction:
    """Table 2: mean and s.d. of the estimated JPEG quality, CIFAR-10."""
    return _levels(
        "Table 2. Estimation performance of JPEG quality factors",
        "endo-2020-cifar10-jpeg",
        tuple(Column(str(q), f"jpeg_compression:{q}") for q in (20, 40, 60, 80, 100)),
        "jpg-estqf",
        (20.84, 40.93, 58.58, 79.53, 94.91),
        (2.28, 3.91, 4.07, 3.07, 1.91),
        ("jpg-exactqf", "jpg-headerqf"),
    )


@robobench.reproduction("irdi-table3", paper="Endo et al. 2020")
def table3() -> Reproduction:
    """Table 3: interval mean accuracy of JPEG CIFAR-10."""
    return _jpeg(
        "Table 3. Interval mean accuracy of JPEG CIFAR-10",
        "cifar10",
        {
            "org": (0.431, 0.700, 0.763, 0.799, 0.861),
            "jpg": (0.724, 0.844, 0.857, 0.866, 0.874),
            "jpg-estqf": (0.744, 0.849, 0.864, 0.872, 0.880),
        },
    )


@robobench.reproduction("irdi-table4", paper="Endo et al. 2020")
def table4() -> Reproduction:
    """Table 4: interval mean accuracy of JPEG CIFAR-100."""
    return _jpeg(
        "Table 4. Interval mean accuracy of JPEG CIFAR-100",
        "cifar100",
        {
            "org": (0.202, 0.407, 0.465, 0.504, 0.582),
            "jpg": (0.448, 0.561, 0.577, 0.583, 0.591),
            "jpg-estqf": (0.454, 0.563, 0.581, 0.588, 0.596),
        },
    )


@robobench.reproduction("irdi-table5", paper="Endo et al. 2020")
def table5() -> Reproduction:
    """Table 5: mean and s.d. of the estimated noise level, CIFAR-10."""
    return _levels(
        "Table 5. Estimation performance of Gaussian noise level",
        "endo-2020-cifar10-noise",
        tuple(Column(str(s), f"gaussian_noise:{s}") for s in (10, 20, 30, 40, 50)),
        "noisy-estnl",
        (10.03, 20.11, 30.16, 40.11, 49.26),
        (0.42, 0.54, 0.69, 0.89, 0.70),
    )


@robobench.reproduction("irdi-table6", paper="Endo et al. 2020")
def table6() -> Reproduction:
    """Table 6: interval mean accuracy of Gaussian noisy CIFAR-10."""
    return Reproduction(
        title="Table 6. Interval mean accuracy of Gaussian noisy CIFAR-10",
        dataset="cifar10",
        run_folder="endo-2020-cifar10-noise",
        columns=_SIGMAS,
        rows=(
            Row("org", "Org", (0.796, 0.328, 0.138, 0.106, 0.101)),
            Row("noisy", "Noisy", (0.851, 0.844, 0.829, 0.809, 0.785)),
            Row("noisy-estnl", "Noisy and Est. N.L.", (0.882, 0.872, 0.856, 0.834, 0.810)),
        ),
        further=(Row(_NOISE_CONTROL),),
        on_demand=_NOISE_ON_DEMAND,
        whole="Acc(0,50)",
        gain=Gain("noisy-estnl", "noisy", _NOISE_CONTROL, "the estimated noise level"),
        recipe=_RECIPE,
        notes=(_INTERVAL_MEAN, _ONE_TRAINING),
    )


def _over_level(
    table: Reproduction, title: str, corruption: str, low: int, high: int
) -> Reproduction:
    """A figure over every integer level, compared with the numbers of the table."""
    return replace(
        table,
        title=title,
        columns=tuple(Column(str(n), f"{corruption}:{n}") for n in range(low, high + 1)),
        rows=tuple(replace(row, published=()) for row in table.rows),
        whole="",
        gain=None,
        figure=True,
        beside=table,
        notes=(_ONE_TRAINING,),
    )


@robobench.reproduction("irdi-figure4", paper="Endo et al. 2020")
def figure4() -> Reproduction:
    """Figure 4: estimated against true JPEG quality, mean and s.d., CIFAR-10."""
    title = "Figure 4. Estimation performance of JPEG quality factors"
    return _over_level(table2(), title, "jpeg_compression", 1, 100)


@robobench.reproduction("irdi-figure5", paper="Endo et al. 2020")
def figure5() -> Reproduction:
    """Figure 5: accuracy over JPEG quality, CIFAR-10."""
    return _over_level(table3(), "Figure 5. Accuracy of JPEG CIFAR-10", "jpeg_compression", 1, 100)


@robobench.reproduction("irdi-figure6", paper="Endo et al. 2020")
def figure6() -> Reproduction:
    """Figure 6: accuracy over JPEG quality, CIFAR-100."""
    return _over_level(table4(), "Figure 6. Accuracy of JPEG CIFAR-100", "jpeg_compression", 1, 100)


@robobench.reproduction("irdi-figure7", paper="Endo et al. 2020")
def figure7() -> Reproduction:
    """Figure 7: estimated against true noise level, mean and s.d., CIFAR-10."""
    title = "Figure 7. Estimation performance of Gaussian noise level"
    return _over_level(table5(), title, "gaussian_noise", 0, 50)


@robobench.reproduction("irdi-figure8", paper="Endo et al. 2020")
def figure8() -> Reproduction:
    """Figure 8: accuracy over the sigma of Gaussian noise, CIFAR-10."""
    title = "Figure 8. Accuracy of Gaussian noisy CIFAR-10"
    return _over_level(table6(), title, "gaussian_noise", 0, 50)
