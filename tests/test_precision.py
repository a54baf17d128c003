"""Full precision means full, and what was set before is set again."""

import torch

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
