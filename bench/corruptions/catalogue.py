"""Facts about corruptions that need no computation: names, groups, levels, profiles.

Everything about a corruption is in its definition, in the arguments of ``@corruption``; this module
reads it from the registry and loads neither torch nor a kernel. The arguments are::

    group       noise, blur, weather, digital, extra, codecs, or any other word
    severities  {profile: its five levels}, or five levels for every profile; () if only native
                levels make sense; 1 to 5 by default
    native      {"unit": ..., "low": ..., "high": ..., "integer": ..., "limit": ...}: see `Native`;
                left out if a level is not a single number
    random      whether it draws random numbers (True by default, which is safe)
    minimum     the smallest side of an image that it accepts, in pixels (1 by default)
    per_image   whether it takes a float tensor N in place of one level
    aliases     other names
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from robobench.errors import RobobenchError, unknown_name
from robobench.registry import CORRUPTIONS, versions
from robobench.types import CLEAN, Degradation

#: Severity tables and the side, in pixels, of the images that each was made for.
PROFILE_SIZES = {"imagenet-c": 224, "cifar-c": 32, "tiny-imagenet-c": 64, "inception-c": 299}
#: Another implementation's 19 corruptions rather than another table: see `reference`.
REFERENCE_PROFILE = "imagecorruptions"
PROFILES = (*PROFILE_SIZES, REFERENCE_PROFILE)
#: Suffix of a profile: images are saved as JPEG of quality 85 after the corruption.
SAVED = "+jpeg85"

_NOISE = ("gaussian_noise", "shot_noise", "impulse_noise")
_BLUR = ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur")
_WEATHER = ("snow", "frost", "fog", "brightness")
_DIGITAL = ("contrast", "elastic_transform", "pixelate", "jpeg_compression")
_EXTRA = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
_C_BAR = (
    *("sparkles", "inverse_sparkles", "checkerboard_cutout", "caustic_refraction"),
    *("single_frequency_greyscale", "cocentric_sine_waves", "plasma_noise", "perlin_noise"),
    *("blue_noise_sample", "brownish_noise"),
)
_RESAMPLING = tuple(f"resample_{f}" for f in ("nearest", "box", "bilinear", "bicubic", "lanczos"))
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
    "c-bar": _C_BAR,
    "geometry": ("rotate", "shift", "scale", "aspect_ratio", *_RESAMPLING),
}

# Parts of a mixture, whose name is part of file names.
_MOST_PARTS = 8


@dataclass(frozen=True)
class Native:
    """The unit of a corruption whose strength is a single number.

    Attributes:
        unit: Human-readable meaning of the number.
        low: Start of a sweep.
        high: End of a sweep.
        integer: Whether only whole numbers make sense.
        limit: Largest number accepted; severities may exceed a sweep.
    """

    unit: str
    low: float
    high: float
    integer: bool = False
    limit: float = math.nan

    def check(self, name: str, level: float) -> None:
        """Refuse a level that is not valid for the corruption.

        Raises:
            RobobenchError: It is out of range, or not a whole number where one is needed.
        """
        limit = self.high if math.isnan(self.limit) else self.limit
        whole = not self.integer or float(level).is_integer()
        if not (whole and self.low <= level <= limit):
            kind = "a whole number " if self.integer else ""
            raise RobobenchError(
                f"{name} level {level:g}: expected {kind}from {self.low:g} to {limit:g} ({self.unit})"
            )


def expand(name: str) -> tuple[str, ...]:
    """Canonical names that a name, an alias, a group or a mixture stands for.

    A mixture ``a+b`` stays one name.

    Raises:
        RobobenchError: The name is unknown, and the message suggests the nearest ones; or a mixture
            has too many parts.
    """
    if name.count("+") >= _MOST_PARTS:
        raise RobobenchError(
            f"a mixture of {name.count('+') + 1} corruptions: expected at most {_MOST_PARTS}"
        )
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
    """The canonical names in a mixture, from left to right; a single one otherwise."""
    return tuple(_canonical(part) for part in name.split("+"))


def _canonical(name: str) -> str:
    if name in GROUPS and name not in CORRUPTIONS:
        raise RobobenchError(
            f"corruption {name!r} is a group: a mixture takes single corruptions, "
            f"for example {' or '.join(GROUPS[name][:3])}"
        )
    return CORRUPTIONS.canonical(name)


def option(name: str, key: str, default: Any) -> Any:
    """One argument of a corruption's definition."""
    if key not in (options := CORRUPTIONS.entry(name).options) and options.get("unread"):
        CORRUPTIONS[name]  # its module is imported, after which all arguments are known
    return CORRUPTIONS.entry(name).options.get(key, default)


def native(name: str) -> Native | None:
    """The native unit of a corruption; None if it has none (a mixture never has one).

    Raises:
        RobobenchError: The name is unknown.
    """
    if name == CLEAN or len(parts(name)) > 1:
        return None
    told: Mapping[str, Any] | None = option(name, "native", None)
    return None if told is None else Native(**told)


def is_random(name: str) -> bool:
    """Whether a corruption draws random numbers; if not, a single seed is enough."""
    return name != CLEAN and any(option(part, "random", True) for part in parts(name))


def minimum(name: str) -> int:
    """The smallest side of an image that a corruption accepts, in pixels."""
    return 1 if name == CLEAN else max(int(option(part, "minimum", 1)) for part in parts(name))


def severity_table(name: str, profile: str) -> tuple[Any, ...]:
    """The five levels of one corruption, in the form that it takes.

    Args:
        name: One corruption, not a mixture.
        profile: With or without ``+jpeg85``.

    Raises:
        RobobenchError: The profile is unknown, or does not define the corruption's severities.
    """
    table = base_profile(profile)
    if table == REFERENCE_PROFILE:  # its own tables are ImageNet's, whatever the size
        table = "imagenet-c"
    told: Any = option(name, "severities", (1, 2, 3, 4, 5))
    levels = told.get(table, ()) if isinstance(told, Mapping) else told
    if not levels:
        unit = native(name)
        sweep = f"{name}:{unit.low:g}-{unit.high:g}" if unit else f"another profile than {table}"
        raise RobobenchError(f"{name} has no severities in profile {table}; {sweep} would work")
    return tuple(levels)


def announce_published(names: Iterable[str], group: str) -> None:
    """Make corruptions known that exist as published files only, for as long as this process runs.

    Args:
        names: Names of which some may be known already: these stay what they are.
        group: Data set that they come with; as a selector it stands for all of them.

    Raises:
        RobobenchError: A name cannot be one of a corruption.
    """

    def published(images: Any, level: Any, keys: Any) -> Any:
        """Published files only."""
        raise RobobenchError(
            f"the corruptions of {group} exist as published files only: --dataset {group} reads them"
        )

    for name in sorted(names):
        if name not in CORRUPTIONS:
            CORRUPTIONS.register(name, group=group, random=False, version="published")(published)


def base_profile(profile: str) -> str:
    """The severity table of a profile, without ``+jpeg85``.

    Raises:
        RobobenchError: The profile is unknown.
    """
    table = profile.removesuffix(SAVED)
    if table not in PROFILES:
        raise unknown_name("profile", table, PROFILES)
    return table


def at_severity(name: str, severity: int, profile: str) -> Degradation:
    """A corruption at a severity, converted to a native level if the corruption has one.

    Equal levels are then equal cells, whichever profile they came from.

    Args:
        name: A corruption, an alias of one, or a mixture (whose parts share the severity).
        severity: 1 to 5.
        profile: Severity table, with suffix ``+jpeg85`` if images are to be saved as JPEG.

    Raises:
        RobobenchError: Name, profile or severity is unknown.
    """
    if name == CLEAN:
        return Degradation(CLEAN, 0.0, SAVED if profile.endswith(SAVED) else "")
    if severity not in (1, 2, 3, 4, 5):
        raise RobobenchError(f"{name} severity {severity}: expected a whole number from 1 to 5")
    names = parts(name)
    tables = [severity_table(part, profile) for part in names]
    if len(names) > 1 or native(name) is None or base_profile(profile) == REFERENCE_PROFILE:
        return Degradation("+".join(names), float(severity), profile)
    saved = SAVED if profile.endswith(SAVED) else ""
    return Degradation(names[0], float(tables[0][severity - 1]), saved)


def at_level(name: str, level: float) -> Degradation:
    """A corruption at a level in its own unit.

    Raises:
        RobobenchError: The name is unknown, the corruption has no native unit, or the level is out
            of range.
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
    """The severity of a degradation in a profile; None if it is not one of the five."""
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
    """The profile made for images nearest to this size, the shorter side in pixels."""
    return min(PROFILE_SIZES, key=lambda name: abs(math.log(PROFILE_SIZES[name] / max(size, 1))))


def version_of(degradation: Degradation) -> str:
    """The version of everything that degrades the images: of each part, joined by ``+``."""
    if degradation.profile.startswith(REFERENCE_PROFILE):
        found = [REFERENCE_PROFILE]
    elif degradation.is_clean:
        found = []
    else:
        found = [_version_of(part) for part in parts(degradation.corruption)]
    if degradation.profile.endswith(SAVED):
        found.append(versions.version_of(CORRUPTIONS.entry("jpeg_compression")))
    return "+".join(found)


def _version_of(name: str) -> str:
    _ = CORRUPTIONS[name]  # imported: the version may be computed there
    return versions.version_of(CORRUPTIONS.entry(name))


def native_level(degradation: Degradation) -> float:
    """The level in the corruption's own unit, also where a degradation names a severity.

    Of mixtures and of corruptions without such a unit it is the severity.
    """
    name = degradation.corruption
    if not degradation.profile.startswith(REFERENCE_PROFILE) or native(name) is None:
        return degradation.level
    return float(severity_table(name, degradation.profile)[int(degradation.level) - 1])
