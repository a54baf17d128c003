"""Write docs/restoration.md: what restoration in front of a classifier recovers, and its cost.

    ROBOBENCH_DATA=~/data python docs/make_restoration.py [--limit 500] [DNCNN.pth ...]

Each file given is a restorer that `spandrel` loads and adds a row. The run is kept in
runs/restoration; the same command resumes it.
"""

import argparse
import sys
import time
from pathlib import Path
from statistics import median

import pandas as pd
import torch

from robobench.baselines.image_quality import psnr, ssim
from robobench.errors import RobobenchError
from robobench.evaluation.configuration import Configuration
from robobench.evaluation.plan import Plan, prepare
from robobench.evaluation.run import execute
from robobench.evaluation.runner import chunk_size
from robobench.files import write_whole
from robobench.reports.blocks import Table, Value
from robobench.reports.tables import to_markdown
from robobench.results.run import Run
from robobench.types import Context

METHODS = ("org", "median", "bilateral", "nlm", "arcnn", "dncnn", "jpg")
CORRUPTION, LEVELS = "jpeg_compression", "1-20"
ROUNDS, BATCH = 11, 500
PAGE = Path(__file__).with_name("restoration.md")
TEXT = """\
# Restoration, then classification

{images:,} test images of CIFAR-10 at JPEG qualities {levels}: restored, then classified by the ResNet-56 that was trained
on clean images only (`org`). `jpg` restores nothing: it is the same network, trained on JPEG images. `restore:` is a
network file that `spandrel` loads. Made by `python docs/make_restoration.py`, with the files as arguments.

{table}
- **accuracy**: mean over the qualities, per cent, with 95 % intervals by bootstrap over images; **gain**: over `org`, on the
  same images, in points.
- **PSNR** (dB) and **SSIM**: of the classifier's input, against the clean image. A better image is not always classified
  better: compare both columns.
- **parameters**, **multiply-adds**: of all networks that run for one image; classical filters are not counted.
- **ms**: for one image on {threads} thread{s} of the {device}, the median of {rounds} chunks of {chunk}: for comparing methods, not
  machines.

`arcnn` and `dncnn` ship with the package, trained on CIFAR-10's training images by `robobench train --recipe endo-2020`.
That recipe also trains `arcnn-res` and `dncnn-res`, whose classifier is trained on restored images; these are not shipped.
"""


def table(run: Run, milliseconds: dict[str, float], unrestored: tuple[float, float]) -> Table:
    """One row per method, in the order of the run.

    Args:
        run: Run of a single corruption.
        milliseconds: Time per image, by method.
        unrestored: PSNR and SSIM of the degraded images, for methods that restore nothing.
    """
    summary = run.summary()
    summary = summary[summary["corruption"] == CORRUPTION].set_index("method")
    frame = run.frame
    frame = frame[frame["corruption"] == CORRUPTION]
    fidelity = frame.groupby(["metric", "method"])["value"].mean()
    rows: dict[str, dict[str, Value]] = {}
    for about in run.manifest["methods"]:
        name = about["label"]
        row = summary.loc[name]
        rows[name] = {
            "accuracy": Value(row["accuracy"], row["accuracy_low"], row["accuracy_high"]),
            "gain": _gain(run, name),
            "PSNR": Value(fidelity.get(("psnr", name), unrestored[0]), unit="level"),
            "SSIM": Value(fidelity.get(("ssim", name), unrestored[1]), unit="level"),
            "parameters": Value(about["parameters"], unit="count"),
            "multiply-adds": Value(about["macs"], unit="count"),
            "ms": Value(milliseconds[name], unit="level"),
        }
    made = pd.DataFrame.from_dict(rows, orient="index").rename_axis(columns="method")
    return Table("restoration", "", made)


def _gain(run: Run, name: str) -> Value:
    if name == "org":
        return Value(None)
    compared = run.compare("org", name).set_index("corruption").loc[CORRUPTION]
    ends = compared["difference_low"], compared["difference_high"]
    return Value(compared["difference"], *ends, unit="points")


def likeness(plan: Plan) -> tuple[float, float]:
    """Mean PSNR and SSIM of the degraded images."""
    found = []
    for degradation, seed in plan.grid.conditions()[1:]:
        for begin in range(0, len(plan.source), BATCH):
            end = min(begin + BATCH, len(plan.source))
            clean, degraded = plan.source.batch(begin, end, degradation, seed)
            found.append(torch.stack([measure(degraded, clean) for measure in (psnr, ssim)], 1))
    mean = torch.cat(found).mean(0)
    return float(mean[0]), float(mean[1])


def milliseconds(plan: Plan, chunk: int) -> dict[str, float]:
    """Time per image by method: the median over chunks of this size, in one condition."""
    degradation, seed = plan.grid.conditions()[-1]
    _, images = plan.source.batch(0, chunk, degradation, seed)
    times: dict[str, list[float]] = {m.name: [] for m in plan.grid.methods}
    for _ in range(ROUNDS):  # in turns: what else the machine does then meets all alike
        for selected in plan.grid.methods:
            before = time.perf_counter()
            selected.method.predict(images, Context())
            times[selected.name].append(time.perf_counter() - before)
    return {name: 1000 * median(seconds) / chunk for name, seconds in times.items()}


def main() -> None:
    """Evaluate, measure, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--limit", type=int, default=500)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    options = parser.parse_args()
    methods = (*METHODS, *(f"restore:{file}" for file in options.files))
    settings = {
        "dataset": "cifar10",
        "methods": methods,
        "corruptions": f"{CORRUPTION}:{LEVELS}",
        "limit": options.limit,
        "out": str(PAGE.parent.parent / "runs" / "restoration"),
    }
    try:
        plan = prepare(Configuration.from_settings(settings))
        run = execute(plan)
    except RobobenchError as error:
        sys.exit(f"make_restoration: {error}")
    machine = run.manifest["machine"]
    chunk = min(chunk_size(plan.source.side), len(plan.source))
    text = TEXT.format(
        levels=LEVELS,
        images=len(plan.source),
        table=to_markdown(table(run, milliseconds(plan, chunk), likeness(plan))),
        rounds=ROUNDS,
        chunk=chunk,
        threads=machine["threads"],
        s="" if machine["threads"] == 1 else "s",
        device=machine["device"].upper(),
    )
    write_whole(PAGE, text.encode("utf-8"))


if __name__ == "__main__":
    main()
