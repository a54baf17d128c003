"""The recipe `endo-2020`: how the networks of Endo et al. 2020 are trained on CIFAR here.

Every arm of a comparison has the same network, the same start (the clean-trained classifier), the
same number of steps and the same settings. The paper trains with Adamax for an unpublished number
of epochs; momentum and one cycle of the rate get further in the minutes that a CPU has.
"""

from typing import Final

import robobench
from robobench.training.fitting import Recipe
from robobench.training.study import Training

NAME: Final = "endo-2020"
_ARMS: Final = ("org", "jpg", "jpg-estqf", "noisy", "noisy-estnl")

# 45,000 training images are 360 batches: ten epochs, then nine on degraded images.
ON_CLEAN: Final = Recipe(
    steps=3600,
    batch=125,
    rate=0.1,
    minutes=6,
    optimizer="sgd",
    weight_decay=5e-4,
    warmup=0.2,
    options={"shift": 4, "stored_as": "float16"},
)
ON_DEGRADED: Final = Recipe(
    steps=3240,
    batch=125,
    rate=0.05,
    minutes=5,
    optimizer="sgd",
    weight_decay=5e-4,
    warmup=0.2,
    options={"shift": 4, "stored_as": "float16"},
)


@robobench.study("endo-2020")
def endo_2020() -> list[Training]:
    """The networks behind the tables of Endo et al. 2020, for CIFAR-10 and CIFAR-100."""
    jpeg, noise = "jpeg_compression", "noise"
    return [
        *(Training("cifar10", m) for m in ("org", "jpg", "jpg-estqf", "noisy", "noisy-estnl")),
        *(Training("cifar100", m) for m in ("org", "jpg", "jpg-estqf")),
        Training("cifar10", "adaptive"),
        *(Training("cifar10", m, on) for on in (jpeg, noise) for m in ("arcnn", "dncnn")),
        *(Training("cifar10", m) for m in ("jpg-trueqf", "noisy-truenl")),
        *(Training("cifar10", m, jpeg) for m in ("arcnn-res", "dncnn-res")),
        Training("cifar100", "jpg-trueqf"),
        *(Training("cifar10", m, seed=seed) for seed in (1, 2) for m in _ARMS),
    ]
