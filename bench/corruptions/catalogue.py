"""What there is to know about corruptions without running one: names, groups, levels, profiles.

Everything about one corruption stands at its definition, in the arguments of ``@corruption``; this
module reads it from the registry and loads neither torch nor a kernel. The arguments are::

    group       noise, blur, weather, digital, extra, codecs, or any other word
    severities  {profile: its five levels}, or five levels for every profile; () where only native
                levels make sense; 1 to 5 by default
    native      {"unit": ..., "low": ..., "high": ..., "integer": ..., "limit": ...}: see `Native`;
                left out where a level is no single number
    random      whether it draws random numbers (True by default, which is safe)
    minimum     the smallest side of an image that it can serve, in pixels (1 by default)
    per_image   whether it takes a float tensor N in place of one level
    aliases     other names
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from robobench.errors import RobobenchError, unknown_name
from robobench.registry import CORRUPTIONS
from robobench.types import CLEAN, Degradation

#: Severity tables and the side, in pixels, of the images that each was made for.
PROFILE_SIZES = {"imagenet-c": 224, "cifar-c": 32, "tiny-imagenet-c": 64, "inception-c": 299}
#: Another implementation's 19 corruptions rather than another table: see `reference`.
REFERENCE_PROFILE = "imagecorruptions"
PROFILES = (*PROFILE_SIZES, REFERENCE_PROFILE)
#: Behind a profile: images are saved as JPEG of quality 85 after the corruption.
SAVED = "+jpeg85"

_NOISE = ("gaussian_noise", "shot_noise", "impulse_noise")
_BLUR = ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur")
_WEATHER = ("snow", "frost", "fog", "brightness")
_DIGITAL = ("contrast", "elastic_transform", "pixelate", "jpeg_compression")
_EXTRA = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
#: The published groups, in the published order; a plug-in's own group is found by `expand`.
GROUPS: dict[str, tuple[str, ...]] = {
    "noise": _NOISE,
    "blur": _BLUR,
    "weather": _WEATHER,
    "digital": _DIGITAL,
    "extra": _EXTRA,
    "common": (*_NOISE, *_BLUR, *_WEATHER, *_DIGITAL),
    "all": (*_NOISE, *_BLUR, *_WEATHER, *_DIGITAL, *_EXTRA),
    "codecs": ("jpeg_compression", "webp", "avif"),
}


@dataclass(frozen=True)
class Native:
    """The unit in which one number says how strong a corruption is.

    Attributes:
        unit: What the number is, for people.
        low: Where a sweep begins.
        high: Where a sweep ends.
        integer: Whether only whole numbers make sense.
        limit: The largest number accepted; severities may lie beyond a sweep.
    """

    unit: str
    low: float
    high: float
    integer: bool = False
    limit: float = math.nan

    def check(self, name: str, level: float) -> None:
        """Refuse a level that the corruption does not know.

        Raises:
            RobobenchError: It lies outside the range or between whole numbers.
        """
        limit = self.high if math.isnan(self.limit) else self.limit
        whole = not self.integer or float(level).is_integer()
        if not (whole and self.low <= level <= limit):
            kind = "a whole number " if self.integer else ""
            raise RobobenchError(
                f"{name} level {level:g}: expected {kind}from {self.low:g} to {limit:g} ({self.unit})"
            )


def expand(name: str) -> tuple[str, ...]:
    """Canonical names of what a name, another spelling, a group or a mixture stands for.

    A mixture ``a+b`` stays one name.

    Raises:
        RobobenchError: Nothing has that name; the message holds the nearest ones.
    """
    if "+" in name:
        return ("+".join(_canonical(part) for part in name.split("+")),)
    if name in GROUPS:
        return GROUPS[name]
    if name in CORRUPTIONS:
        return (CORRUPTIONS.canonical(name),)
    grouped = tuple(n for n in CORRUPTIONS if CORRUPTIONS.entry(n).options.get("group") == name)
    if grouped and name:
        return grouped
    raise unknown_name("corruption", name, [*CORRUPTIONS, "jpeg", *GROUPS])


def parts(name: str) -> tuple[str, ...]:
    """The canonical names in a mixture, from left to right; one for a single corruption."""
    return tuple(_canonical(part) for part in name.split("+"))


def _canonical(name: str) -> str:
    if name in GROUPS and name not in CORRUPTIONS:
        raise RobobenchError(
            f"corruption {name!r} is a group: a mixture takes single corruptions, "
            f"{' or '.join(GROUPS[name][:3])}, say"
        )
    return CORRUPTIONS.canonical(name)


def option(name: str, key: str, default: Any) -> Any:
    """One argument of a corruption's definition."""
    return CORRUPTIONS.entry(name).options.get(key, default)


def native(name: str) -> Native | None:
    """The native unit of a corruption; None where it has none (a mixture never has one).

    Raises:
        RobobenchError: Nothing has that name.
    """
    if name == CLEAN or len(parts(name)) > 1:
        return None
    told: Mapping[str, Any] | None = option(name, "native", None)
    return None if told is None else Native(**told)


def is_random(name: str) -> bool:
    """Whether a corruption draws random numbers: else one seed says everything."""
    return name != CLEAN and any(option(part, "random", True) for part in parts(name))


def minimum(name: str) -> int:
    """The smallest side that an image may have, in pixels."""
    return 1 if name == CLEAN else max(int(option(part, "minimum", 1)) for part in parts(name))


def severity_table(name: str, profile: str) -> tuple[Any, ...]:
    """The five levels of one corruption, in the form in which it takes them.

    Args:
        name: One corruption, not a mixture.
        profile: With or without ``+jpeg85``.

    Raises:
        RobobenchError: The profile is unknown, or the corruption has no severities in it.
    """
    table = table_of(profile)
    if table == REFERENCE_PROFILE:  # its own tables are ImageNet's, whatever the size
        table = "imagenet-c"
    told: Any = option(name, "severities", (1, 2, 3, 4, 5))
    levels = told.get(table, ()) if isinstance(told, Mapping) else told
    if not levels:
        unit = native(name)
        sweep = f"{name}:{unit.low:g}-{unit.high:g}" if unit else f"another profile than {table}"
        raise RobobenchError(f"{name} has no severities in profile {table}; {sweep} would work")
    return tuple(levels)


def table_of(profile: str) -> str:
    """The severity table of a profile, without what is done after the corruption.

    Raises:
        RobobenchError: There is no such profile.
    """
    table = profile.removesuffix(SAVED)
    if table not in PROFILES:
        raise unknown_name("profile", table, PROFILES)
    return table


def at_severity(name: str, severity: int, profile: str) -> Degradation:
    """A corruption at a severity; it becomes a native level where the corruption has one.

    An equal level is then an equal cell, whichever profile it came from.

    Args:
        name: A corruption, another spelling of it, or a mixture (the parts share the severity).
        severity: 1 to 5.
        profile: The severity table, ``+jpeg85`` behind it if images are to be saved so.

    Raises:
        RobobenchError: Unknown name or profile, or no such severity.
    """
    if name == CLEAN:
        return Degradation(CLEAN, 0.0, SAVED if profile.endswith(SAVED) else "")
    if severity not in (1, 2, 3, 4, 5):
        raise RobobenchError(f"{name} severity {severity}: expected a whole number from 1 to 5")
    names = parts(name)
    tables = [severity_table(part, profile) for part in names]
    if len(names) > 1 or native(name) is None or table_of(profile) == REFERENCE_PROFILE:
        return Degradation("+".join(names), float(severity), profile)
    saved = SAVED if profile.endswith(SAVED) else ""
    return Degradation(names[0], float(tables[0][severity - 1]), saved)


def at_level(name: str, level: float) -> Degradation:
    """A corruption at a level in its own unit.

    Raises:
        RobobenchError: Unknown name, a corruption or mixture without such a unit, a level that it
            does not know.
    """
    unit = native(name)
    if unit is None:
        raise RobobenchError(
            f"{name} has no native level; a severity from 1 to 5 would work"
            + (" (the parts of a mixture share it)" if "+" in name else "")
        )
    unit.check(name, level)
    return Degradation(parts(name)[0], float(level))


def severity_of(degradation: Degradation, profile: str) -> int | None:
    """The severity that a degradation is in a profile; None where it is none of the five."""
    name = degradation.corruption
    if degradation.is_clean:
        return None
    unit = native(name)
    if unit is None or degradation.profile.startswith(REFERENCE_PROFILE):
        return int(degradation.level)
    try:
        table = severity_table(name, profile)
    except RobobenchError:
        return None
    for severity, level in enumerate(table, 1):
        if math.isclose(level, degradation.level, rel_tol=1e-9, abs_tol=1e-12):
            return severity
    return None


def nearest_profile(size: int) -> str:
    """The profile that was made for images of about this size, in pixels of the shorter side."""
    return min(PROFILE_SIZES, key=lambda name: abs(math.log(PROFILE_SIZES[name] / max(size, 1))))
