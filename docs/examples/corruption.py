"""A corruption in one file: fewer brightness levels.

robobench preview --plugin corruption.py --corruptions posterize
"""

import robobench


@robobench.corruption(
    "posterize",
    group="tone",
    random=False,
    severities=(5, 4, 3, 2, 1),
    native={"unit": "bits per channel", "low": 1, "high": 8, "integer": True},
)
def posterize(images, level, keys):
    """Keep the highest bits of every channel."""
    lost = 8 - int(level)
    return (images >> lost) << lost
