"""The superclasses of LAION-C: which of ImageNet's classes belong to each (Li et al. 2025)."""

from __future__ import annotations

from typing import Final

__all__ = ["SUPERCLASSES"]

# Indices of ImageNet's classes in the order of the outputs, ends included.
_PUBLISHED: Final = {
    "fruit": "948-951, 953-954",
    "fish": "0-4, 147-148, 393-397",
    "tools": "491, 499, 587, 596, 740, 784, 792",
    "instruments": "401-402, 420, 432, 546, 558, 566, 579, 593-594, 776, 881, 889",
    "ball": "429-430, 768, 805, 852, 890",
    "primate": "365-382",
    "snakes": "52-55, 57-68",
    "timekeeping": "409, 530-531, 826, 835, 892",
    "chair": "423, 559, 703, 765, 831, 857",
    "butterfly": "321-326",
    "boat": "472, 510, 554, 576, 625, 814, 914",
    "cat": "281-286",
    "bottle": "440, 720, 737, 898-899, 901, 907",
    "car_truck": "436, 511, 555, 569, 656, 675, 717, 734, 817, 864, 867",
    "bird": "8, 10-16, 18-20, 22-24, 80-83, 87-96, 98-100, 127-133, 135-145",
    "dog": "152-191, 193-203, 205-226, 228-241, 243-250, 252-257, 259, 261-263, 265-268",
}


def _indices(text: str) -> tuple[int, ...]:
    pairs = (part.split("-") for part in text.split(", "))
    return tuple(
        i for first, *last in pairs for i in range(int(first), int((last or [first])[0]) + 1)
    )


#: Superclass to indices of ImageNet's classes, in the published order.
SUPERCLASSES: Final = {name: _indices(text) for name, text in _PUBLISHED.items()}
