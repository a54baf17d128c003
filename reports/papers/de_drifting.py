"""Tables of the papers on feature de-drifting: AFD (Peng et al. 2024) and DDP (Wang et al. 2020).

Their networks are ResNet-50s on ImageNet, and may be measured here for any classifier and images.
"""

from __future__ import annotations

import robobench
from robobench.reproductions import Column, Reproduction, Row

_WHERE = "ResNet-50 on ImageNet's 50,000 validation images"
_QUALITIES = tuple(
    Column(f"Q.F. {quality}", f"jpeg_compression:{quality}", str(quality))
    for quality in (25, 18, 15, 10, 7)
)
_TIMES = tuple(
    Column(f"{times} times", f"multi_jpeg:{times}", f"{times}x") for times in (1, 2, 3, 4, 5)
)
_DIRECT = Row("org", "Direct", (0.6616, 0.6247, 0.5928, 0.4750, 0.3165))
_DDP = Row("ddp@jpeg", "DDP", (0.6645, 0.6368, 0.6162, 0.5537, 0.4764))
_AFD = Row("afd@jpeg", "AFD", (0.6710, 0.6479, 0.6291, 0.5724, 0.4902))
_OURS = (Row("dedrift@jpeg"), Row("finetune@jpeg"))
_SETTING = (
    "The papers state neither how many images the modules saw nor for how long they were trained; "
    "ours state it on their cards."
)


@robobench.reproduction("afd-table5", paper="Peng et al. 2024")
def afd_table5() -> Reproduction:
    """Table V: accuracy on JPEG images, directly, restored, and with DDP and AFD."""
    return Reproduction(
        title="Table V. Accuracy on JPEG images",
        dataset="imagenet",
        backbone="torchvision:resnet50",
        run_folder="afd-jpeg",
        columns=_QUALITIES,
        rows=(_DIRECT, _DDP, _AFD),
        further=(
            Row("arcnn", "ARCNN", (0.6169, 0.6035, 0.5876, 0.5310, 0.4464)),
            Row("dncnn", "DnCNN", (0.6474, 0.6189, 0.6025, 0.5332, 0.4319)),
            *_OURS,
        ),
        whole="mean",
        elsewhere=_WHERE,
        notes=(_SETTING,),
    )


@robobench.reproduction("afd-table6", paper="Peng et al. 2024")
def afd_table6() -> Reproduction:
    """Table VI: accuracy on images compressed one to five times."""
    return Reproduction(
        title="Table VI. Accuracy on images that were compressed several times",
        dataset="imagenet",
        backbone="torchvision:resnet50",
        run_folder="afd-multi-jpeg",
        columns=_TIMES,
        rows=(
            Row("org", "Direct", (0.5333, 0.4544, 0.4031, 0.3659, 0.3419)),
            Row("ddp@jpeg", "DDP", (0.5856, 0.5269, 0.4938, 0.4774, 0.4419)),
            Row("afd@jpeg", "AFD", (0.5958, 0.5485, 0.5170, 0.4941, 0.4751)),
        ),
        further=(Row("arcnn", "ARCNN"), Row("dncnn", "DnCNN"), *_OURS),
        whole="mean",
        elsewhere=_WHERE,
        notes=(
            "Qualities are drawn from 25, 18, 15, 10 and 7 for each compression.",
            _SETTING,
        ),
    )


@robobench.reproduction("ddp-jpeg", paper="Wang et al. 2020")
def ddp_jpeg() -> Reproduction:
    """DDP on JPEG images, as measured by the authors of AFD; its own tables are not available."""
    return Reproduction(
        title="DDP on JPEG images (Table V of Peng et al. 2024)",
        dataset="imagenet",
        backbone="torchvision:resnet50",
        run_folder="afd-jpeg",
        columns=_QUALITIES,
        rows=(_DIRECT, _DDP),
        whole="mean",
        elsewhere=_WHERE,
        notes=(_SETTING,),
    )
