"""A metric in one file: how often a method is wrong and sure of it.

robobench run --plugin metric.py --methods afd --corruptions jpeg
"""

import robobench


@robobench.metric(
    "overconfident", higher_is_better=False, bounds=(0, 1), title="Wrong above 0.9 confidence"
)
def overconfident(predictions):
    """Share of the images that are classified wrongly with a confidence above 0.9."""
    return (predictions.confidence > 0.9) & ~predictions.correct  # a bool per image: its mean
