"""Rows of an evaluation made of curves, for tests of what is concluded from rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from laconic.codecs.media import Image
from laconic.tasks.mpq import Judgement, OperatingPoint, TaskSample
from laconic.tasks.mpq.metrics import SingleMetric
from laconic.tasks.mpq.rows import UNCOMPRESSED, Row

# Means over Kodak of Pillow's encoders: rate in bits per pixel, PSNR in dB.
JPEG = [(0.508, 29.15), (0.906, 32.17), (1.368, 34.52), (2.346, 38.03)]
WEBP = [(0.234, 28.33), (0.513, 31.44), (0.824, 33.97), (1.520, 37.78)]
AVIF = [(0.105, 26.78), (0.189, 28.60), (0.381, 31.26), (0.602, 33.40), (1.005, 36.13), (1.425, 38.24)]

PSNR = SingleMetric("psnr", "image", "psnr_db", "PSNR dB", True, lambda original, decoded: 0.0)

Curve = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class MadeUp:
    """Rows come from the tests; the score of samples is the share of right ones."""

    name: ClassVar[str] = "made-up"
    title: ClassVar[str] = "Made up"
    kind: ClassVar[Any] = "image"
    score_name: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True

    def keys(self) -> Sequence[str]:
        raise NotImplementedError

    def sample(self, key: str) -> TaskSample[Image]:
        return TaskSample(key, Image(np.full((300, 400, 3), 200, np.uint8)), 0)

    def judge(self, sample: TaskSample[Image], decoded: Image) -> Judgement:
        raise NotImplementedError

    def aggregate(self, totals: Any) -> Any:
        return totals[..., 0] / totals[..., 1]


@dataclass(frozen=True)
class Named:
    """Decodes to pictures as bright as the number says."""

    name: str
    number: int

    def encode(self, signal: Image) -> bytes:
        return bytes(10)

    def decode(self, data: bytes) -> Image:
        return Image(np.full((300, 400, 3), 10 * self.number, np.uint8))


def made_up_rows(
    curves: dict[str, Curve], *, n: int, noise: float = 0.0, psnr_noise: float = 0.0
) -> tuple[list[OperatingPoint], dict[tuple[str, str, str], Row]]:
    """Each sample has the rates of a curve times a factor of its own, loss 40 - PSNR, and right answers by PSNR."""
    rng = np.random.default_rng(0)
    factors, hardness = np.exp(rng.normal(0, 0.3, n)), rng.uniform(25, 40, n)
    points, rows = [], {}
    for curve, values in {UNCOMPRESSED: [(24.0, 60.0)], **curves}.items():
        for number, (rate, psnr_db) in enumerate(values):
            codec: Any = Named(curve, number)
            point = OperatingPoint(f"{curve}:quality={number}", curve, codec, frozenset(["image"]))
            points += [point] if curve != UNCOMPRESSED else []
            key = point.key if curve != UNCOMPRESSED else UNCOMPRESSED
            for sample in range(n):
                row = Row(
                    "made-up",
                    key,
                    f"s{sample}",
                    num_bytes=1,
                    rate=rate * factors[sample] * float(np.exp(rng.normal(0, noise))),
                    counts=(float(psnr_db > hardness[sample]), 1.0),
                    answer=f"{psnr_db:.0f}",
                    scores={"loss": max(40.0 - psnr_db, 0.0)},
                    metrics=("psnr",),
                    distortion={} if curve == UNCOMPRESSED else {"psnr_db": psnr_db + rng.normal(0, psnr_noise)},
                )
                rows[row.key] = row
    return points, rows
