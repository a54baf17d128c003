"""Full precision means full, and what was set before is set again; ``auto`` is the faster one."""

import pytest
import torch

import robobench
from robobench.evaluation import automatic_precision
from robobench.precision import full_precision, in_precision


def test_no_shortcuts_on_a_gpu():
    cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul
    products.allow_tf32 = True
    before = cudnn.allow_tf32, cudnn.benchmark, cudnn.enabled
    try:
        with full_precision("cuda:0"):
            assert not cudnn.allow_tf32
            assert not products.allow_tf32
            assert cudnn.enabled == before[2]
        assert (cudnn.allow_tf32, cudnn.benchmark, cudnn.enabled) == before
        assert products.allow_tf32
        with full_precision("cpu"):
            assert cudnn.allow_tf32 == before[0]
    finally:
        products.allow_tf32 = False


def test_mixed_precision_is_bfloat16():
    layer, cpu = torch.nn.Linear(2, 2), torch.device("cpu")
    with in_precision(cpu, "bf16"):
        assert layer(torch.ones(1, 2)).dtype == torch.bfloat16
        with in_precision(cpu, "fp32"):
            assert layer(torch.ones(1, 2)).dtype == torch.float32


@pytest.mark.parametrize("faster", ["fp32", "bf16"])
def test_auto_measures_once_and_goes_on_in_what_it_found(tmp_path, toy, monkeypatch, faster):
    measured = []

    def measure(backbone):
        measured.append(backbone.label)
        return faster

    monkeypatch.setattr(automatic_precision, "faster_precision_of", measure)
    settings = {"methods": "org", "corruptions": "jpeg", "severities": "1", "limit": 64, **toy}
    run = robobench.run(precision="auto", out=tmp_path / "auto", **settings)
    assert run.manifest["machine"]["precision"] == faster
    assert run.manifest["configuration"]["precision"] == faster
    assert any(f"{faster}, the faster" in note for note in run.manifest["notes"])
    monkeypatch.setattr(automatic_precision, "faster_precision_of", None)
    (tmp_path / "auto" / "manifest.json").write_text("damaged")
    robobench.run(precision="auto", out=tmp_path / "auto", **settings)
    assert len(measured) == 1
    plain = robobench.run(precision=faster, out=tmp_path / "plain", **settings)
    for cell in plain.cells:
        assert run.store.path(cell).read_bytes() == plain.store.path(cell).read_bytes()
