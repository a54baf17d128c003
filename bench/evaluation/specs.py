"""Which methods a run is asked for."""

from __future__ import annotations

from typing import Final

from robobench.errors import RobobenchError
from robobench.evaluation.configuration import Configuration
from robobench.evaluation.grid import split_list
from robobench.registry import METHODS
from robobench.weights.selection import bare_name

REFERENCE: Final = "org"


def method_specs(configuration: Configuration) -> list[str]:
    """The methods of a run, with the reference, and with how those that adapt do so.

    Raises:
        RobobenchError: There are none, or options of adaptation without a method that adapts.
    """
    return _with_adaptation(_with_reference(configuration), configuration)


def _with_reference(configuration: Configuration) -> list[str]:
    names = split_list(configuration.methods)
    if not configuration.no_reference and REFERENCE not in map(bare_name, names):
        names.insert(0, REFERENCE)
    if not names:
        raise RobobenchError("--methods: at least one is expected; see `robobench list methods`")
    return names


def _with_adaptation(specs: list[str], configuration: Configuration) -> list[str]:
    """The methods, with the chosen order and way of adapting written behind those that adapt."""
    options = {"--stream": configuration.stream, "--adapt": configuration.adapt}
    chosen = {option: word for option, word in options.items() if word is not None}
    if not chosen:
        return specs

    def adapts(spec: str) -> bool:
        return bool(METHODS[METHODS.canonical(bare_name(spec))].adapts)

    if not any(map(adapts, specs)):
        option, word = next(iter(chosen.items()))
        raise RobobenchError(
            f"{option} {word}: none of the methods {', '.join(specs)} adapts to the images it sees; "
            "leave it out, or add one that does, for example tent"
        )
    words = "+".join(chosen.values())
    return [f"{s}{'+' if ':' in s else ':'}{words}" if adapts(s) else s for s in specs]
