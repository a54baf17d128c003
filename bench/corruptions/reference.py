"""The package imagecorruptions as a second engine, to compare ours with.

It is used by the profile ``imagecorruptions`` (``--engine imagecorruptions``). Its severities are
ImageNet's at any size. Whatever keeps its release 1.1.2 from working today is patched here and
nowhere else: it needs ``pkg_resources`` and ``scipy.ndimage.interpolation``, ``np.float_`` and
scikit-image's ``multichannel``, and two of its corruptions cannot be seeded from outside.
"""

import contextlib
import importlib
import io
import sys
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from robobench.corruptions import catalogue
from robobench.corruptions.random import keys as keys_of
from robobench.errors import RobobenchError, unknown_name
from robobench.types import Degradation

_LEAST = 32  # its own limit, in pixels


def apply(images: Tensor, degradation: Degradation, indices: Tensor, seed: int) -> Tensor:
    """Degrade a batch with imagecorruptions, one image at a time on the CPU.

    Args:
        images: uint8, N x 3 x H x W, at least 32 pixels on each side.
        degradation: One of its 19 corruptions or a mixture; the level is a severity.
        indices: int64 N; together with the seed they fix the randomness of each image.
        seed: Seed of the randomness.

    Raises:
        RobobenchError: The package is missing, does not know the corruption, or the images are
            smaller than it accepts.
    """
    if min(images.shape[2:]) < _LEAST:
        raise RobobenchError(
            f"imagecorruptions needs images of at least {_LEAST} x {_LEAST} pixels, "
            f"got {images.shape[2]} x {images.shape[3]}"
        )
    names = catalogue.parts(degradation.corruption)
    severity = int(degradation.level)
    arrays = [image for image in images.cpu().permute(0, 2, 3, 1).contiguous().numpy()]
    for place, name in enumerate(names):
        function = _function(name)
        step = Degradation(name, degradation.level)
        key = keys_of(seed, step, indices.cpu(), names[:place].count(name))
        for i, number in enumerate((key & 0xFFFFFFFF).tolist()):
            with _seeded(number):
                arrays[i] = np.uint8(np.asarray(function(Image.fromarray(arrays[i]), severity)))
    done = torch.from_numpy(np.stack(arrays)) if arrays else images.cpu().permute(0, 2, 3, 1)
    return done.permute(0, 3, 1, 2).contiguous().to(images.device)


def _function(name: str) -> Any:
    if name not in catalogue.GROUPS["all"]:
        raise unknown_name("corruption of imagecorruptions", name, catalogue.GROUPS["all"])
    return getattr(_module(), name)


@contextlib.contextmanager
def _seeded(number: int) -> Iterator[None]:
    """Seed NumPy's global generator and scikit-image's for one image, then restore them."""
    module = _module()
    before = np.random.get_state()
    np.random.seed(number)
    module.sk.util.rng = number
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        np.random.set_state(before)


@cache
def _module() -> ModuleType:
    """The package's module of corruptions, patched."""
    stand_ins = {"pkg_resources": _pkg_resources(), "scipy.ndimage.interpolation": _interpolation()}
    held = {name: sys.modules.get(name) for name in stand_ins}
    sys.modules.update(stand_ins)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = importlib.import_module("imagecorruptions.corruptions")
    except ImportError as error:
        raise RobobenchError(
            f"the engine imagecorruptions cannot be imported ({error}): "
            "pip install imagecorruptions; the native engine does not need it"
        ) from error
    finally:
        for name, there in held.items():
            if there is None:
                del sys.modules[name]
            else:
                sys.modules[name] = there
    given: Any = module  # its names are replaced below
    given.np = _Proxy(np, float_=np.float64)
    given.gaussian = _gaussian(given.gaussian)
    given.sk = _Proxy(given.sk, util=_Util(given.sk.util))
    return module


class _Proxy:
    """A module with some of its names replaced."""

    def __init__(self, module: Any, **replaced: Any) -> None:
        self._module = module
        self.__dict__.update(replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


class _Util(_Proxy):
    """``skimage.util`` whose noise comes from a generator that we can seed."""

    rng = 0

    def random_noise(self, *positional: Any, **named: Any) -> Any:
        """Its ``random_noise`` with the generator of the present image."""
        positional = positional[:2]  # later releases pass a seed of their own
        return self._module.random_noise(*positional, **{**named, "rng": self.rng})


def _gaussian(function: Any) -> Any:
    """``skimage.filters.gaussian`` that still understands ``multichannel``."""

    def gaussian(*positional: Any, **named: Any) -> Any:
        if named.pop("multichannel", False):
            named["channel_axis"] = -1
        return function(*positional, **named)

    return gaussian


def _pkg_resources() -> ModuleType:
    """As much of setuptools' former module as the package uses."""
    module: Any = ModuleType("pkg_resources")

    def resource_filename(name: str, path: str) -> str:
        return str(Path(str(sys.modules[name].__file__)).parent / path)

    module.resource_filename = resource_filename
    return module  # type: ignore[no-any-return]


def _interpolation() -> ModuleType:
    """SciPy's former name for two functions of ``scipy.ndimage``."""
    import scipy.ndimage

    module: Any = ModuleType("scipy.ndimage.interpolation")
    module.map_coordinates, module.zoom = scipy.ndimage.map_coordinates, scipy.ndimage.zoom
    return module  # type: ignore[no-any-return]
