"""The cell files of a run's folder, for comparisons of bytes."""


def cells_of(folder):
    """Content of the cell files, by name."""
    return {p.name: p.read_bytes() for p in sorted((folder / "cells").glob("*.npz"))}
