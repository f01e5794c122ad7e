"""Pictures in colours of their own, for the tests."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Image
from laconic.codecs.models.turned_colors import turned_model
from laconic.codecs.pictures.picture_encoder import encode_image

DATA = Path(__file__).parent / "data"


def rotation(x: float, y: float, z: float) -> tuple[int, ...]:
    """The nine numbers of a rotation by this vector, in radians (Rodrigues)."""
    angle = np.linalg.norm((x, y, z))
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) / angle
    matrix = np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k
    return tuple(np.rint(127 * matrix).astype(int).reshape(-1).tolist())


TURNED = rotation(0.4, -0.3, 0.5)


def turned_file(image: Image, numbers: tuple[int, ...], codec: Lcn) -> bytes:
    """The file of a picture whose colours are turned so."""
    plan = codec.plan_of(image)
    return encode_image(image, replace(plan, model=turned_model(plan.model, numbers)))


def waves(height: int, width: int, dtype: type = np.uint8) -> Image:
    """Waves and noise of other strength in each colour."""
    random = np.random.default_rng(height)
    y, x = np.mgrid[0:height, 0:width]
    planes = [120 + 60 * np.sin(x / (5 + c) + c) + 40 * np.cos(y / (9 - c)) for c in range(3)]
    samples = np.stack(planes, 2) + random.normal(0, 6, (height, width, 3))
    return Image((samples.clip(0, 255) * (1 if dtype == np.uint8 else 257)).astype(dtype))


def tinted(height: int, width: int, dtype: type = np.uint8, alpha: bool = False) -> Image:
    """A photograph through a filter, in whole numbers: nearly all that it shows is between red and blue."""
    with PillowImage.open(DATA / "kodim23_crop.png") as picture:
        rgb = np.asarray(picture.convert("RGB"))[:height, :width].astype(np.int64)
    mixed = np.stack([rgb[:, :, 1], rgb.sum(2) // 12 + 20, 255 - rgb[:, :, 0]], 2)
    if alpha:
        mixed = np.concatenate([mixed, 255 - rgb[:, :, :1]], 2)
    return Image((mixed * (1 if dtype == np.uint8 else 257)).astype(dtype))
