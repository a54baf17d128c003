"""Published errors that corruption errors are divided by, with their sources.

Keyed by corruption name, never by position: parallel lists in different orders have led to wrong
numbers elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from robobench.errors import unknown_name


@dataclass(frozen=True)
class Normalizer:
    """The errors of one reference classifier on one benchmark.

    Attributes:
        name: The name for ``mce(frame, normalizer=NAME)``.
        clean_error: Top-1 error on clean images, a fraction.
        errors: The errors at severities 1 to 5 of each corruption, fractions.
        datasets: The data sets that the errors are for.
        profile: The severity table that the errors are for.
        source: Where the numbers come from.
    """

    name: str
    clean_error: float
    errors: Mapping[str, tuple[float, float, float, float, float]]
    datasets: tuple[str, ...]
    profile: str
    source: str

    def total(self, corruption: str) -> float:
        """Sum of the errors over the five severities."""
        return sum(self.errors[corruption])


ALEXNET = Normalizer(
    name="alexnet",
    # The paper rounds it to 43.5 %; robustness_metrics has four digits, which changes relative mCE
    # by about 0.06 points.
    clean_error=0.4348,
    errors=MappingProxyType(
        {
            "gaussian_noise": (0.69528, 0.82542, 0.93554, 0.98138, 0.99452),
            "shot_noise": (0.71224, 0.85108, 0.93574, 0.98182, 0.99146),
            "impulse_noise": (0.78374, 0.89808, 0.94870, 0.98720, 0.99548),
            "defocus_blur": (0.65624, 0.73202, 0.85036, 0.91364, 0.94714),
            "glass_blur": (0.64308, 0.75054, 0.88806, 0.91622, 0.93344),
            "motion_blur": (0.58430, 0.70048, 0.82108, 0.89750, 0.92638),
            "zoom_blur": (0.70008, 0.76992, 0.80784, 0.84198, 0.87198),
            "snow": (0.71726, 0.88392, 0.86468, 0.91870, 0.94952),
            "frost": (0.61390, 0.79734, 0.88790, 0.89942, 0.93430),
            "fog": (0.67474, 0.76050, 0.84378, 0.87260, 0.94500),
            "brightness": (0.45140, 0.48502, 0.54048, 0.62166, 0.72440),
            "contrast": (0.64548, 0.76150, 0.88874, 0.97760, 0.99270),
            "elastic_transform": (0.52596, 0.70116, 0.55686, 0.64076, 0.80554),
            "pixelate": (0.52218, 0.54620, 0.73728, 0.87092, 0.91262),
            "jpeg_compression": (0.51002, 0.54718, 0.57294, 0.65458, 0.74778),
            "speckle_noise": (0.66192, 0.74440, 0.90246, 0.94548, 0.97268),
            "gaussian_blur": (0.54732, 0.70444, 0.82574, 0.89864, 0.95940),
            "spatter": (0.47196, 0.62194, 0.75052, 0.84132, 0.90182),
            "saturate": (0.59342, 0.65514, 0.51174, 0.70834, 0.82260),
        }
    ),
    datasets=("imagenet-c", "imagenet"),
    profile="imagenet-c",
    source=(
        "torchvision AlexNet (V1), 50,000 images of the official ImageNet-C, centre crop 224: "
        "hendrycks/robustness README.md at commit 76d9393; clean error from robustness_metrics"
    ),
)

NORMALIZERS: Mapping[str, Normalizer] = MappingProxyType({ALEXNET.name: ALEXNET})

# The corruptions of mCE (Hendrycks & Dietterich 2019); the four extra ones are never in it.
COMMON = tuple(ALEXNET.errors)[:15]


def find_normalizer(name: str) -> Normalizer:
    """The published normalizer of the given name.

    Raises:
        RobobenchError: The name is unknown.
    """
    try:
        return NORMALIZERS[name]
    except KeyError:
        raise unknown_name("normalizer", name, NORMALIZERS) from None
