"""The corruptions once more, from their published descriptions, slowly and one image at a time.

What the tests and the table of fidelity compare robobench with. Each function takes an image (uint8
H x W x 3), the level as the severity tables have it, and the key of its randomness; random numbers
are robobench's own, so that the two results can be compared pixel by pixel. Everything else is
SciPy, scikit-image, OpenCV and Pillow, which the original used (Hendrycks and Dietterich, ICLR 2019;
its motion blur is ImageMagick's, written out here).
"""

import math
from io import BytesIO

import cv2
import numpy as np
import scipy.ndimage
import skimage.color
import skimage.filters
import torch
from PIL import Image

from robobench.corruptions import elastic, frost, random


def reference(name, image, level, key):
    """The corruption by its name: uint8 H x W x 3."""
    made = _FUNCTIONS[name](image, level, torch.tensor([key]))
    return np.uint8(np.clip(np.nan_to_num(made), 0, 255))


def _field(draw, key, height, width):
    return draw(key, height * width).view(height, width).double().numpy()


def jpeg_compression(image, level, key):
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=int(level))
    return np.array(Image.open(file))


def pixelate(image, level, key):
    height, width = image.shape[:2]
    small = Image.fromarray(image).resize(
        (int(width * level), int(height * level)), Image.Resampling.BOX
    )
    return np.array(small.resize((width, height), Image.Resampling.BOX))


def contrast(image, level, key):
    x = image / 255
    mean = x.mean((0, 1))
    return np.clip((x - mean) * level + mean, 0, 1) * 255


def brightness(image, level, key):
    hsv = skimage.color.rgb2hsv(image / 255)
    hsv[..., 2] = np.clip(hsv[..., 2] + level, 0, 1)
    return np.clip(skimage.color.hsv2rgb(hsv), 0, 1) * 255


def saturate(image, level, key):
    hsv = skimage.color.rgb2hsv(image / 255)
    hsv[..., 1] = np.clip(hsv[..., 1] * level[0] + level[1], 0, 1)
    return np.clip(skimage.color.hsv2rgb(hsv), 0, 1) * 255


def gaussian_blur(image, level, key):
    return np.clip(skimage.filters.gaussian(image / 255, sigma=level, channel_axis=-1), 0, 1) * 255


def defocus_blur(image, level, key):
    radius, softness = level
    grid = np.arange(-8, 9) if radius <= 8 else np.arange(-radius, radius + 1)
    disk = np.float32(grid[:, None] ** 2 + grid**2 <= radius**2)
    side = 3 if radius <= 8 else 5
    disk = cv2.GaussianBlur(disk / disk.sum(), (side, side), sigmaX=softness)
    return np.clip(cv2.filter2D(image / 255, -1, disk), 0, 1) * 255


def glass_blur(image, level, key):
    sigma, reach, rounds = level
    x = np.uint8(skimage.filters.gaussian(image / 255, sigma=sigma, channel_axis=-1) * 255)
    height, width = x.shape[:2]
    words = random.words(key, rounds * height * width).view(rounds, height, width).numpy()
    for turn in range(rounds):
        for h in range(height - reach, reach, -1):
            for w in range(width - reach, reach, -1):
                word = int(words[turn, h, w])
                dx = (word % 65536) * 2 * reach // 65536 - reach
                dy = (word // 65536) * 2 * reach // 65536 - reach
                # The published swap of two rows of an array: the second is a view of the first.
                x[h, w], x[h + dy, w + dx] = x[h + dy, w + dx], x[h, w]
    return np.clip(skimage.filters.gaussian(x / 255, sigma=sigma, channel_axis=-1), 0, 1) * 255


def _motion(image, radius, sigma, degrees):
    """MotionBlurImage: uint8 H x W or H x W x 3 to the same; 16 bits in between."""
    height, width = image.shape[:2]
    kernel = np.exp(-(np.arange(2 * radius + 1) ** 2) / (2.0 * sigma**2))
    kernel /= kernel.sum()
    turn = math.radians(degrees)
    total = np.zeros(image.shape)
    for i, weight in enumerate(kernel):
        rows = np.clip(np.arange(height) + math.ceil(i * math.sin(turn) - 0.5), 0, height - 1)
        columns = np.clip(np.arange(width) + math.ceil(i * math.cos(turn) - 0.5), 0, width - 1)
        total += weight * 257.0 * image[rows][:, columns]
    return np.uint8(np.floor(total + 0.5) // 257)


def motion_blur(image, level, key):
    angle = -45 + 90 * float(random.uniform(key, 1))
    return _motion(image, *level, angle)


def _clipped_zoom(x, zoom):
    height, width = x.shape[:2]
    part = math.ceil(height / zoom), math.ceil(width / zoom)
    top, left = (height - part[0]) // 2, (width - part[1]) // 2
    factors = (zoom, zoom) + (1,) * (x.ndim - 2)
    big = scipy.ndimage.zoom(x[top : top + part[0], left : left + part[1]], factors, order=1)
    top, left = (big.shape[0] - height) // 2, (big.shape[1] - width) // 2
    return big[top : top + height, left : left + width]


def zoom_blur(image, level, key):
    x = np.float32(image / 255)
    zooms = np.arange(1, *level)
    total = x + sum(_clipped_zoom(x, zoom) for zoom in zooms)
    return np.clip(total / (len(zooms) + 1), 0, 1) * 255


def snow(image, level, key):
    loc, scale, zoom, threshold, radius, sigma, mix = level
    height, width = image.shape[:2]
    x = np.float32(image) / 255
    flakes = _clipped_zoom(loc + scale * _field(random.normal, key, height, width), zoom)
    flakes = np.uint8(np.clip(np.where(flakes < threshold, 0, flakes), 0, 1) * 255)
    angle = -135 + 90 * float(random.uniform(random.stream(key, 1), 1))
    layer = _motion(flakes, radius, sigma, angle)[..., None] / 255
    gray = cv2.cvtColor(x, cv2.COLOR_RGB2GRAY)[..., None]
    x = mix * x + (1 - mix) * np.maximum(x, gray * 1.5 + 0.5)
    return np.clip(x + layer + np.rot90(layer, 2), 0, 1) * 255


def frost_(image, level, key):
    own, ice, scale = level
    height, width = image.shape[:2]
    which, top, left = random.words(key, 3)[0].tolist()
    photo = cv2.imread(str(frost.files()[which * 5 >> 32]))
    if scale != 1:
        photo = cv2.resize(photo, (0, 0), fx=scale, fy=scale)
    top, left = top * (photo.shape[0] - height) >> 32, left * (photo.shape[1] - width) >> 32
    piece = photo[top : top + height, left : left + width][..., ::-1]
    return np.clip(own * image + ice * piece, 0, 255)


def fog(image, level, key):
    strength, decay = level
    height, width = image.shape[:2]
    side = 2
    while side < max(height, width):
        side *= 2
    noise = _field(random.uniform, key, side, side) * 2 - 1
    land = np.zeros((side, side))
    step, rough = side, 100.0
    while step >= 2:
        half = step // 2
        for y in range(half, side, step):  # the middle of each square
            for x in range(half, side, step):
                around = [(y - half, x - half), (y - half, x + half)]
                around += [(y + half, x - half), (y + half, x + half)]
                mean = sum(land[a % side, b % side] for a, b in around) / 4
                land[y, x] = mean + rough * rough * noise[y, x]
        for first in (0, half):  # the middle of each edge
            for y in range(first, side, step):
                for x in range(half - first, side, step):
                    around = [(y - half, x), (y + half, x), (y, x - half), (y, x + half)]
                    mean = sum(land[a % side, b % side] for a, b in around) / 4
                    land[y, x] = mean + rough * rough * noise[y, x]
        step, rough = half, rough / decay
    land = (land - land.min()) / (land.max() - land.min())
    x = image / 255
    most = x.max()
    x = x + strength * land[:height, :width, None]
    return np.clip(x * most / (most + strength), 0, 1) * 255


def elastic_transform(image, level, key):
    strength, sigma, jitter = level
    height, width = image.shape[:2]
    x = np.float32(image) / 255
    center = np.float32([width // 2, height // 2])
    side = min(height, width) // 3
    corners = np.float32([center + side, center + np.float32([side, -side]), center - side])
    moves = (random.uniform(key, 6).double().numpy().reshape(3, 2) * 2 - 1) * jitter
    matrix = cv2.getAffineTransform(corners, np.float32(corners + moves))
    # warpAffine as it was in 2018: samples on a grid of 1/32 pixel (OpenCV 5 has a finer one).
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    y, z = np.mgrid[:height, :width]
    at = np.floor((inverse[:2, :2] @ np.stack([z, y]).reshape(2, -1) + inverse[:2, 2:]) * 32 + 0.5)
    at = at[::-1].reshape(2, height, width) / 32
    x = np.stack(
        [
            scipy.ndimage.map_coordinates(p, at, order=1, mode="mirror")
            for p in x.transpose(2, 0, 1)
        ],
        -1,
    )
    at = np.mgrid[:height, :width].astype(np.float64)
    for axis in (0, 1):
        at[axis] += displacement(height, width, strength, sigma, random.stream(key, axis + 1))
    planes = [
        scipy.ndimage.map_coordinates(x[..., c], at, order=1, mode="reflect") for c in range(3)
    ]
    return np.clip(np.stack(planes, -1), 0, 1) * 255


def displacement(height, width, strength, sigma, key):
    if sigma >= 8:  # drawn as the few waves that are left of it: see test_corruptions_random
        return strength * elastic.field(height, width, sigma, key)[0].double().numpy()
    noise = _field(random.uniform, key, height, width) * 2 - 1
    return strength * skimage.filters.gaussian(noise, sigma, mode="reflect", truncate=3)


def spatter(image, level, key):
    loc, scale, sigma, threshold, mix, mud = level
    height, width = image.shape[:2]
    x = np.float32(image) / 255
    noise = loc + scale * _field(random.normal, key, height, width)
    layer = skimage.filters.gaussian(noise, sigma=sigma)
    layer[layer < threshold] = 0
    if mud:
        mask = skimage.filters.gaussian(np.float32(layer > threshold), sigma=mix)
        mask = np.where(mask < 0.8, 0, mask)[..., None]
        return np.clip(x * (1 - mask) + mask * np.array([63, 42, 20]) / 255, 0, 1) * 255
    layer = np.uint8(layer * 255)
    far = cv2.distanceTransform(255 - cv2.Canny(layer, 50, 150), cv2.DIST_L2, 5)
    far = cv2.threshold(far, 20, 20, cv2.THRESH_TRUNC)[1]
    far = cv2.equalizeHist(np.uint8(cv2.blur(far, (3, 3))))
    far = cv2.filter2D(far, cv2.CV_8U, np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]))
    drops = layer * np.float32(cv2.blur(far, (3, 3)))
    drops = drops / max(drops.max(), 1e-9) * mix
    return np.clip(x + drops[..., None] * np.array([175, 238, 238]) / 255, 0, 1) * 255


_FUNCTIONS = {
    f.__name__.rstrip("_"): f
    for f in (
        jpeg_compression, pixelate, contrast, brightness, saturate, gaussian_blur, defocus_blur,
        glass_blur, motion_blur, zoom_blur, snow, frost_, fog, elastic_transform, spatter,
    )
}  # fmt: skip
