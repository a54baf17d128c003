"""On Ray or here: the same bytes."""

import importlib.util

import pytest

import robobench
from robobench.errors import RobobenchError

HAS_RAY = importlib.util.find_spec("ray") is not None
SETTINGS = {"methods": "median", "corruptions": "jpeg", "severities": "1,5", "limit": 100}


@pytest.mark.skipif(HAS_RAY, reason="Ray is installed")
def test_without_ray_the_extra_is_named(tmp_path):
    with pytest.raises(RobobenchError, match=r"robobench\[ray\]"):
        robobench.run(executor="ray", out=tmp_path, **SETTINGS)


@pytest.mark.slow
@pytest.mark.skipif(not HAS_RAY, reason="Ray is not installed")
@pytest.mark.filterwarnings("ignore")
def test_ray_writes_the_same_bytes(tmp_path):
    import ray

    try:
        robobench.run(executor="ray", out=tmp_path / "ray", **SETTINGS)
    finally:
        ray.shutdown()
    robobench.run(out=tmp_path / "local", **SETTINGS)
    ours, theirs = (
        {p.name: p.read_bytes() for p in (tmp_path / where / "cells").iterdir()}
        for where in ("local", "ray")
    )
    assert ours == theirs
