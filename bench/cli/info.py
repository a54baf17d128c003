"""``robobench info``: versions, devices, and where data and weights are kept."""

import os

import click


@click.command()
def info() -> None:
    """Show versions, devices, and where data and weights are kept."""
    import torch

    from robobench.environment import machine, versions
    from robobench.weights.storage import search_path

    for name, version in versions().items():
        click.echo(f"{name:<16} {version}")
    devices = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        devices.append("mps")
    for device in devices:
        facts = machine(device, "fp32")
        click.echo(f"{device:<16} {facts['device_name']}, {facts['threads']} threads")
    click.echo(f"{'platform':<16} {machine('cpu', 'fp32')['platform']}")
    data = os.environ.get("ROBOBENCH_DATA")
    click.echo(f"{'data':<16} {data or 'not set (ROBOBENCH_DATA or --data-root)'}")
    for folder in search_path():
        state = "" if folder.is_dir() else " (does not exist yet)"
        click.echo(f"{'weights':<16} {folder}{state}")
