"""The recipe `endo-2020`: how the networks of Endo et al. 2020 are trained here, on CIFAR.

All arms of a comparison share the network, the start (the clean-trained classifier), the number of
steps and all other settings. The paper trains with Adamax for an unpublished number of epochs;
momentum and a one-cycle learning rate get further in the few minutes that a CPU allows.
"""

from dataclasses import replace
from typing import Final

import robobench
from robobench.training.study import Training
from robobench.types import Recipe

NAME: Final = "endo-2020"
_ARMS: Final = ("jpg", "jpg-estqf", "noisy", "noisy-estnl")
_OPTIONS: Final = {"shift": 4, "stored_as": "float16"}

# 45,000 training images are 360 batches.
ON_CLEAN: Final = Recipe(
    steps=2880,
    batch=125,
    rate=0.1,
    minutes=26,
    optimizer="sgd",
    weight_decay=5e-4,
    warmup=0.2,
    options=_OPTIONS,
)
# For a network trained elsewhere, which starts from its published weights.
FINE_TUNED: Final = replace(ON_CLEAN, steps=360, rate=0.01, minutes=3, evaluations=4)
# The most degraded images take the longest to learn, so they are drawn more often.
ON_DEGRADED: Final = replace(
    ON_CLEAN,
    rate=0.05,
    keep="last",  # on CIFAR-10 the published network that all start from saw the validation images
    options={
        **_OPTIONS,
        "emphasis": {"jpeg_compression": (1, 20, 0.4), "gaussian_noise": (25, 50, 0.3)},
    },
)
_FURTHER_RATE: Final = 0.03  # lower, for the cycles after the first


def on_degraded(classes: int) -> Recipe:
    """How every arm of a comparison on one data set is trained.

    Args:
        classes: Number of classes; a hundred take longer to learn.
    """
    return in_cycles(*((1440, 3600, 4680) if classes >= 100 else (2880, 3960)))


def in_cycles(*ends: int, rate: float = ON_DEGRADED.rate) -> Recipe:
    """`ON_DEGRADED` in cycles; the weights at the ends of the last two are averaged.

    Args:
        ends: Step at which each cycle ends.
        rate: Peak learning rate of the first cycle; later ones have a lower peak.
    """
    *firsts, steps = ends
    return replace(
        ON_DEGRADED,
        steps=steps,
        rate=rate,
        minutes=ON_DEGRADED.minutes * steps / ON_DEGRADED.steps,
        restarts=tuple((first, _FURTHER_RATE) for first in firsts),
        averaged=2,
    )


# As published, as far as known (EI 2020, section 4; details it leaves out are from the co-author's
# network, see `TanakaVgg`): for a GPU, and for the backbone vgg-tanaka.
PUBLISHED_NAME: Final = "endo-2020-published"
PUBLISHED: Final = Recipe(
    steps=70_400,
    batch=128,
    rate=2e-3,
    minutes=600,
    optimizer="adamax",
    warmup=0.0,
    evaluations=50,
    options={
        "shift": 8,
        "warping": {"rotation": 5.0, "shear": 1.0, "zoom": 0.05},
        "dropout": 0.5,
        "from_scratch": True,
        "estimator_steps": 40_000,
    },
)
# By kind of estimator; a step takes a tenth of a second at most.
ESTIMATOR_STEPS: Final = {"blocks": 12000, "energies": 12000}


@robobench.study("endo-2020")
def endo_2020() -> list[Training]:
    """The networks behind the tables of Endo et al. 2020, for CIFAR-10 and CIFAR-100."""
    jpeg, noise = "jpeg_compression", "noise"
    return [
        *(Training("cifar10", m) for m in ("org", *_ARMS)),
        Training("cifar100", "org", start="cifar10"),
        *(Training("cifar100", m) for m in ("jpg", "jpg-estqf")),
        Training("cifar10", "adaptive"),
        *(Training("cifar10", m, on) for on in (jpeg, noise) for m in ("arcnn", "dncnn")),
        *(Training("cifar10", m) for m in ("jpg-trueqf", "noisy-truenl")),
        *(Training("cifar10", m, jpeg) for m in ("arcnn-res", "dncnn-res")),
        Training("cifar100", "jpg-trueqf"),
        *(
            Training("cifar10", m, seed=seed, start="cifar10" if m == "org" else "")
            for seed in (1, 2)
            for m in ("org", *_ARMS)
        ),
    ]
