"""Run tasks on several processes, a few at a time so that memory stays bounded."""

import itertools
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

import torch

from robobench.registry import load_plugin_file


def spread(
    tasks: Iterable[tuple[Callable[..., tuple[int, int]], Sequence[Any]]],
    workers: int,
    advance: Callable[[int], None],
    plugins: Sequence[Path] = (),
) -> Iterator[int]:
    """Run tasks on several processes, a few at a time; one worker means this process.

    Args:
        tasks: Functions with their arguments; each returns how many images it made, and how many of
            its images are now complete.
        workers: Number of processes.
        advance: Called with the latter number.
        plugins: Files that each process loads first, as this one has.

    Yields:
        The former number, in order of completion.
    """
    if workers <= 1:
        for function, arguments in tasks:
            made, passed = function(*arguments)
            advance(passed)
            yield made
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _begin, (plugins,)) as pool:
        waiting: set[Future[tuple[int, int]]] = set()
        left = iter(tasks)
        try:
            while True:
                for function, arguments in itertools.islice(left, 2 * workers - len(waiting)):
                    waiting.add(pool.submit(function, *arguments))
                if not waiting:
                    return
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    made, passed = future.result()
                    advance(passed)
                    yield made
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _begin(plugins: Sequence[Path]) -> None:
    """Initialise a process: one thread, since there are several, and the plug-ins."""
    torch.set_num_threads(1)
    for file in plugins:
        load_plugin_file(file)
