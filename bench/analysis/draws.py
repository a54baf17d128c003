"""The settings of intervals, apart from what makes these, so that reading options loads no numpy."""

from robobench.errors import RobobenchError

DRAWS = 2000
FEWEST = 100


def check_draws(draws: int, seed_sd: float | None = None) -> None:
    """Refuse settings that make no interval.

    Raises:
        RobobenchError: Too few or too many draws, or a spread that is none.
    """
    if not FEWEST <= draws <= 1_000_000:
        raise RobobenchError(f"--draws: expected {FEWEST} to 1,000,000, got {draws}")
    if seed_sd is not None and not 0 < seed_sd <= 50:
        raise RobobenchError(
            f"--seed-sd: expected points of accuracy, above 0 and up to 50 (such as 0.5), got {seed_sd:g}"
        )
