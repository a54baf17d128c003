"""The search for an image's JPEG quality as a network, for files that other software runs.

It decides as the kernels of `robobench.corruptions.jpeg_evidence`, which explain how, but consists
of tensor operations, and of loops that tracers can write down. A loop ends as early as the kernels
do: on most images after the first few dozen blocks. Images on whose quality 1 and 2 are equally
likely may get the one here and the other there, as sums are rounded in another order.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, max_pool2d, pad

from robobench.corruptions.jpeg_evidence import BASIS, FEW, GROUP, NOISE, UP_TO, search_tables

_SIDE: Final = 8
_QUALITIES: Final = 100
_TABLES: Final = 7  # per noise level, see `_PlaneEvidence`
_jit: Any = torch.jit  # which has no types
_Groups = tuple[Tensor, Tensor]
_State = tuple[Tensor, Tensor, Tensor]


class QualitySearch(nn.Module):
    """The quality of the JPEG compression that an image last went through."""

    luma: Tensor
    differences: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.planes = nn.ModuleList(_PlaneEvidence(plane) for plane in range(2))
        weights = torch.tensor([19595.0, 38470.0, 7471.0])
        self.register_buffer("luma", weights[:, None, None], persistent=False)
        scales = torch.tensor([1 / 1.772, 1 / 1.402])
        self.register_buffer("differences", scales[:, None, None], persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """The quality, int64 1, 1 to 100, or 0 if none is likely; see `search_quality`.

        Args:
            image: float32 3 x H x W, whole numbers on 0..255.
        """
        if min(int(side) for side in image.shape[1:]) < _SIDE:
            return image.new_zeros(1, dtype=torch.int64)
        # Whole numbers below 2**24, which float32 holds exactly.
        luma = (((image * self.luma).sum(0) + 32768) / 65536).floor()
        chroma = ((torch.stack([image[2], image[0]]) - luma) * self.differences).round()
        clipped = ((image.amin(0) == 0) | (image.amax(0) == 255)).to(torch.float32)[None]
        planes = ((luma - 128)[None], clipped), _halved(chroma, clipped)
        groups = [_grouped(*both) for both in planes if min(both[0].shape[1:]) >= _SIDE]
        going = image.new_ones(1, dtype=torch.bool)
        narrow, going = self._evidence(groups, going, wide=False)
        # A copy: a loop that has nothing to do returns what it was given, and tracers would take the
        # one for the other.
        wide, _ = self._evidence(groups, going.clone(), wide=True)
        evidence = torch.where(going, wide, narrow)
        likely = (evidence.amax() > FEW).to(torch.int64)
        return (evidence.argmax() + 1).reshape(1) * likely

    def _evidence(
        self, groups: list[_Groups], going: Tensor, *, wide: bool
    ) -> tuple[Tensor, Tensor]:
        """Evidence for each quality, and whether all groups of blocks have left it open."""
        evidence = groups[0][0].new_zeros(_QUALITIES)
        state = evidence, evidence[:2], going
        for plane, group in zip(self.planes, groups, strict=False):
            state = plane(group, state, wide)
        return state[0], state[2]


def _halved(chroma: Tensor, marks: Tensor) -> tuple[Tensor, Tensor]:
    """Invert "fancy" upsampling of chroma: 2 x 2 means, then undo both directions.

    Args:
        chroma: 2 x h x w.
        marks: 1 x h x w, whether a pixel was clipped.

    Returns:
        Both at half the size.
    """
    height, width = (int(side) for side in chroma.shape[1:])
    odd = (0, width % 2, 0, height % 2)
    half = avg_pool2d(pad(chroma[None], odd, mode="replicate"), 2)[0]
    half_marks = max_pool2d(pad(marks[None], odd, mode="replicate"), 2)[0]
    if half.shape[2] > 2:  # libjpeg repeats a narrower plane
        half = (_unmixing(height) @ half @ _unmixing(width).T).round()
    return half, half_marks


def _unmixing(length: int) -> Tensor:
    """Inverse of what upsampling to `length` samples and averaging pairs do to half as many.

    A mean of two is 3/4 of their own sample and 1/8 of each neighbour; the outermost samples are
    their own neighbours.
    """
    count = (length + 1) // 2
    mixing = 0.75 * np.eye(count)
    own = np.arange(count)
    for neighbour in (-1, 1):
        np.add.at(mixing, (own, np.clip(own + neighbour, 0, count - 1)), 0.125)
    if length % 2:  # only the left one of the last two
        mixing[-1] = 0
        mixing[-1, -1] = 0.75
        mixing[-1, max(count - 2, 0)] += 0.25
    return torch.from_numpy(np.linalg.inv(mixing).astype(np.float32))


def _grouped(planes: Tensor, marks: Tensor) -> _Groups:
    """Coefficients of whole blocks, and what is known of them, in groups all over the image.

    Args:
        planes: P x h x w.
        marks: 1 x h x w, whether a pixel was clipped.

    Returns:
        Coefficients, groups x 64 x blocks; and groups x 2 x blocks: whether a block counts, and
        how many of its pixels were clipped. Constant blocks do not count, nor does what fills the
        last places.
    """
    blocks = _blocks(planes)
    live = (blocks.amax(1) > blocks.amin(1)).to(torch.float32)
    clipped = _blocks(marks).sum(1).repeat(int(planes.shape[0]))
    basis = torch.from_numpy(np.kron(BASIS, BASIS).T.copy())
    count = int(blocks.shape[0])
    groups = -(-count // GROUP)
    missing = groups * GROUP - count
    # Every groups-th block, so that a group samples the whole image.
    coefficients = pad(blocks @ basis, (0, 0, 0, missing)).reshape(GROUP, groups, _SIDE**2)
    known = pad(torch.stack([live, clipped]), (0, missing)).reshape(2, GROUP, groups)
    return coefficients.permute(1, 2, 0).contiguous(), known.permute(2, 0, 1).contiguous()


def _blocks(planes: Tensor) -> Tensor:
    """P x h x w to (P * blocks) x 64; what is left over at the ends is not a whole block."""
    down, across = (int(side) // _SIDE for side in planes.shape[1:])
    whole = planes[:, : down * _SIDE, : across * _SIDE]
    tiles = whole.reshape(-1, down, _SIDE, across, _SIDE).permute(0, 1, 3, 2, 4)
    return tiles.reshape(-1, _SIDE**2)


class _PlaneEvidence(nn.Module):
    """What the blocks of luma, or of both chroma planes, say for each quality.

    Seven tables for each noise level: coefficients and steps of the pairs whose steps the noise
    blurs, of the other pairs likewise, where each quality's 64 are among them, the kernels' curves,
    and the noise itself.

    Args:
        plane: 0 for luma, 1 for chroma.
    """

    diagonals: Tensor

    def __init__(self, plane: int) -> None:
        super().__init__()
        known = search_tables()
        place = np.add.outer(range(_SIDE), range(_SIDE)).reshape(-1)
        diagonals = np.equal.outer(range(2 * _SIDE - 1), place).astype(np.float32)
        diagonals[0] = 0  # the mean grey level is apart
        self.register_buffer("diagonals", torch.from_numpy(diagonals), persistent=False)
        for s, noise in enumerate(NOISE.tolist()):
            limit = int(UP_TO[s])
            pairs = known.steps[plane, : known.used[plane, limit - 1]].astype(np.int64)
            order = pairs[:, 1].argsort(kind="stable")
            pairs, sorted_place = pairs[order], order.argsort()
            blurred = int((pairs[:, 1] <= 8 * noise).sum())
            tables: tuple[NDArray[Any], ...] = (
                pairs[:blurred, 0],
                pairs[:blurred, 1:],
                pairs[blurred:, 0],
                pairs[blurred:, 1:].astype(np.float32),
                sorted_place[known.place[plane, :limit].reshape(-1)],
                known.small[s, : int(8 * noise) + 1].reshape(-1),
                np.array(noise, np.float32),
            )
            for k, table in enumerate(tables, s * _TABLES):
                self.register_buffer(f"table{k}", torch.from_numpy(table.copy()), persistent=False)

    def forward(self, groups: _Groups, state: _State, wide: bool) -> _State:
        """Add the evidence of groups of blocks until it is enough.

        Args:
            groups: See `_grouped`.
            state: Evidence so far, float32 100; how many blocks fit some quality well and how many
                fit none although they should, float32 2; whether to look at any group, bool 1.
            wide: Whether wide noise is tried as well.

        Returns:
            The state afterwards.
        """
        levels = len(NOISE) if wide else 1
        tables = [getattr(self, f"table{k}") for k in range(levels * _TABLES)]
        known: tuple[Any, ...] = (*groups, self.diagonals, tables)
        loop: Callable[..., _State] = _wide_loop if wide else _narrow_loop
        if torch.compiler.is_compiling():  # torch.export is compiling, too
            return _exported_loop(_wide_step if wide else _narrow_step, state, known)
        if _jit.is_tracing():
            loop = _scripted(loop)
        return loop(*state, *known)


def _exported_loop(step: Callable[..., Any], state: _State, known: tuple[Any, ...]) -> _State:
    """The loop in the only spelling that torch.export can write down."""
    from torch._higher_order_ops.while_loop import while_loop as untyped

    while_loop: Any = untyped
    groups = known[0].shape[0]

    def goes_on(at: Tensor, *now: Tensor) -> Tensor:
        more: Tensor = now[2] & (at < groups)
        return more.reshape(())

    def body(at: Tensor, *now: Tensor) -> Any:
        return step(at, *now, *known)

    at = torch.zeros_like(state[2], dtype=torch.int64)
    _, evidence, counts, going = while_loop(goes_on, body, (at, *state))
    return evidence, counts, going


@cache
def _scripted(loop: Callable[..., _State]) -> Callable[..., _State]:
    scripted: Callable[..., _State] = _jit.script(loop)
    return scripted


# From here on functions are compiled by TorchScript, which knows no constants of the module: the
# numbers are those of the kernels.


def _narrow_loop(
    evidence: Tensor, counts: Tensor, going: Tensor,
    coefficients: Tensor, marks: Tensor, diagonals: Tensor, tables: list[Tensor],
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    at = torch.zeros_like(going, dtype=torch.int64)
    groups = coefficients.shape[0]
    while bool(going & (at < groups)):
        at, evidence, counts, going = _narrow_step(
            at, evidence, counts, going, coefficients, marks, diagonals, tables
        )
    return evidence, counts, going


def _wide_loop(
    evidence: Tensor, counts: Tensor, going: Tensor,
    coefficients: Tensor, marks: Tensor, diagonals: Tensor, tables: list[Tensor],
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    at = torch.zeros_like(going, dtype=torch.int64)
    groups = coefficients.shape[0]
    while bool(going & (at < groups)):
        at, evidence, counts, going = _wide_step(
            at, evidence, counts, going, coefficients, marks, diagonals, tables
        )
    return evidence, counts, going


def _narrow_step(
    at: Tensor, evidence: Tensor, counts: Tensor, going: Tensor,
    coefficients: Tensor, marks: Tensor, diagonals: Tensor, tables: list[Tensor],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """Add group number `at`; go on unless a quality is decided or the image is no JPEG."""
    group, own = coefficients.index_select(0, at)[0], marks.index_select(0, at)[0]
    best = _fits(group, _scales(group, own, diagonals), tables)
    evidence, counts = _added(best, group, own, evidence, counts)
    hopeless = ((counts[0] == 0.0) & (counts[1] >= 4.0)).reshape(1)
    return at + 1, evidence, counts, going & ~(_decided(evidence) | hopeless)


def _wide_step(
    at: Tensor, evidence: Tensor, counts: Tensor, going: Tensor,
    coefficients: Tensor, marks: Tensor, diagonals: Tensor, tables: list[Tensor],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """Add group number `at`; go on unless a quality is decided."""
    group, own = coefficients.index_select(0, at)[0], marks.index_select(0, at)[0]
    scales = _scales(group, own, diagonals)
    best = _fits(group, scales, tables)
    best = _better(best, _fits(group, scales, tables[7:14]) - 0.7)
    best = _better(best, _fits(group, scales, tables[14:21]) - 1.4)
    best = _better(best, _fits(group, scales, tables[21:28]) - 2.1)
    evidence, counts = _added(best, group, own, evidence, counts)
    return at + 1, evidence, counts, going & ~_decided(evidence)


def _better(best: Tensor, more: Tensor) -> Tensor:
    """The larger of two, where the second has fewer rows."""
    rows = more.shape[0]
    return torch.cat([torch.maximum(best[:rows], more), best[rows:]])


def _scales(coefficients: Tensor, marks: Tensor, diagonals: Tensor) -> Tensor:
    """Log of twice the expected size of each coefficient of each block, 64 x blocks."""
    sizes = coefficients.abs() * marks[:1]
    pairs = diagonals.sum(1, keepdim=True).clamp(min=1.0) * marks[0].sum().clamp(min=1.0)
    mean = ((diagonals @ sizes).sum(1, keepdim=True) / pairs).clamp(min=0.1)
    expected = (diagonals.t() @ mean)[1:]
    lively = (sizes[1:] / expected).sum(0, keepdim=True) / 63.0
    scales = (2.0 * expected * lively.clamp(max=10.0)).log()
    return torch.cat([torch.full_like(scales[:1], 7.0), scales])


def _fits(coefficients: Tensor, scales: Tensor, tables: list[Tensor]) -> Tensor:
    """How much better each quality explains each block than none does, in nats."""
    noise = tables[6]
    least = (2.5 * noise).log()
    # Steps that the noise blurs: from the curves.
    values, scale = coefficients.index_select(0, tables[0]), scales.index_select(0, tables[0])
    steps = tables[1].to(torch.float32)
    multiple = (values * steps.reciprocal()).round()
    away = (values - multiple * steps).abs() * steps.reciprocal()
    gain = tables[5][(away * 126.0 + 0.5).to(torch.int64) + 64 * tables[1]]
    zero = (multiple == 0.0).to(torch.float32)
    gain = gain + zero * (torch.maximum(scale, least) - steps.log()).clamp(max=0.0)
    gain = torch.where(values.abs() < 0.01, gain.clamp(max=0.0), gain)
    # Wider steps: only the nearest multiple counts.
    values, scale = coefficients.index_select(0, tables[2]), scales.index_select(0, tables[2])
    steps = tables[3]
    multiple = (values * steps.reciprocal()).round()
    away = values - multiple * steps
    zero = (multiple == 0.0).to(torch.float32)
    wider = steps.log() - (2.5066283 * noise).log() - away * away * (0.5 / (noise * noise))
    wider = wider + zero * (torch.maximum(scale, least) - steps.log()).clamp(max=0.0)
    gains = torch.cat([gain, wider]).clamp(min=-4.0)
    return gains.index_select(0, tables[4]).reshape(-1, 64, gains.shape[1]).sum(1)


def _added(
    best: Tensor, coefficients: Tensor, marks: Tensor, evidence: Tensor, counts: Tensor
) -> tuple[Tensor, Tensor]:
    """Evidence and counts with those of one group."""
    live, whole = marks[0], (marks[1] == 0.0).to(torch.float32)
    floor = -1.0 - 2.0 * whole
    top = best.amax(0)
    detailed = (coefficients[1:].abs() > 2.0).to(torch.float32).sum(0) >= 8.0
    fits = live * (top > 3.0).to(torch.float32)
    misfits = live * whole * ((top <= floor) & detailed).to(torch.float32)
    evidence = evidence + (torch.maximum(best, floor) * live).sum(1)
    return evidence, counts + torch.stack([fits.sum(), misfits.sum()])


def _decided(evidence: Tensor) -> Tensor:
    """Whether one quality is far ahead of all others."""
    top = evidence.amax()
    near = (evidence > top - 8.0).to(torch.float32).sum()
    return ((top > 15.0) & (near == 1.0)).reshape(1)
