"""Whether a run on Ray can begin, looked at before anything is opened."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from robobench.errors import RobobenchError

if TYPE_CHECKING:
    from robobench.evaluation.configuration import Configuration

# Ray itself waits two minutes for an address at which nobody answers.
_SECONDS_TO_CONNECT, _SECONDS_TO_ANSWER = 2.0, 11.0
_ASK = "import sys, ray; ray.init(address=sys.argv[1], log_to_driver=False, logging_level='error')"


def check_ray(configuration: Configuration, *, in_memory: bool) -> None:
    """Refuse a run on Ray that would fail after everything was opened.

    Args:
        configuration: Of the run.
        in_memory: Whether images or classifier exist only in memory.

    Raises:
        RobobenchError: Ray is not installed, nobody answers at its address, or images or classifier
            exist only in memory.
    """
    if find_spec("ray") is None:  # importing it takes seconds, which a dead address need not
        raise RobobenchError(
            "--executor ray needs Ray: pip install 'robobench[ray]', or leave the option out"
        )
    if in_memory:
        raise RobobenchError(
            "--executor ray opens images and classifier by name on every worker: for images or a "
            "classifier in memory use executor='local'"
        )
    connected = "ray" in sys.modules and sys.modules["ray"].is_initialized()
    if (address := address_of(configuration)) and not connected:
        _check_address(address)


def address_of(configuration: Configuration) -> str | None:
    """The address of a running cluster, if there is one: ``--ray-address``, else ``RAY_ADDRESS``."""
    return configuration.ray_address or os.environ.get("RAY_ADDRESS") or None


def _check_address(address: str) -> None:
    """Look for a cluster, in a process that can be stopped.

    Raises:
        RobobenchError: There is none, or it cannot be used.
    """
    called = f"--ray-address {address}"
    advice = "start one with `ray start --head`, or leave the option out for one of this machine"
    if address != "auto":
        host, colon, port = address.removeprefix("ray://").rpartition(":")
        if not (colon and host and port.isdigit() and 0 < int(port) < 65536):
            raise RobobenchError(f"{called}: expected HOST:PORT, ray://HOST:PORT or auto; {advice}")
        try:
            socket.create_connection((host.strip("[]"), int(port)), _SECONDS_TO_CONNECT).close()
        except OSError as error:
            reason = error.strerror or str(error)
            raise RobobenchError(
                f"{called}: no Ray cluster answers there ({reason}); {advice}"
            ) from None
    try:
        asked = subprocess.run(
            [sys.executable, "-c", _ASK, address],
            capture_output=True,
            text=True,
            timeout=_SECONDS_TO_ANSWER,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RobobenchError(
            f"{called}: no Ray cluster answers there within {_SECONDS_TO_ANSWER:.0f} s; {advice}"
        ) from None
    if asked.returncode:
        lines = asked.stderr.strip().splitlines() or ["no reason given"]
        raise RobobenchError(f"{called} cannot be used ({lines[-1][:200]}); {advice}")
