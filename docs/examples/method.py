"""A method in one file.

robobench run --plugin method.py --methods mirror-average,afd --corruptions jpeg,noise
"""

import robobench


@robobench.method("mirror-average")
class MirrorAverage(robobench.Method):
    """Mean of the predictions for an image and its mirror image."""

    def predict(self, images, context):  # uint8, N x 3 x H x W
        return (self.backbone(images) + self.backbone(images.flip(-1))) / 2
