"""Is print still legible? Lines of scanned receipts (SROIE) by a recogniser of text: character error rate.

The whole receipt is coded; the annotated lines are cut out of what was decoded, so only recognition is judged, not the
finding of lines. The recogniser is frozen and saw none of these receipts, so both splits serve: 10 receipts alone would
conclude nothing.
"""

from __future__ import annotations

import math
import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageOps

from laconic.codecs.errors import CodecError, MissingDependencyError
from laconic.codecs.form import MediaKind
from laconic.codecs.media import Image
from laconic.tasks.measures.text_errors import ctc_text, edit_distance
from laconic.tasks.mpq.onnx_models import onnx_metadata, run_onnx
from laconic.tasks.mpq.packaged_models import packaged_file
from laconic.tasks.mpq.pictures import read_rgb_pictures
from laconic.tasks.mpq.protocol import Judgement, TaskSample, spread

if TYPE_CHECKING:
    from jaxtyping import Float, Num, UInt

_FOLDER = "sroie"
_SPLITS = ("test", "train")
_NUM_LINES = 10  # of each receipt, at equal distances; all of them, 46 on average, take 3 s
_RAPIDOCR = "rapidocr_onnxruntime", "models/ch_PP-OCRv4_rec_infer.onnx"
RAPIDOCR_INSTALL = "pip install --no-deps rapidocr-onnxruntime"  # only its model is used, not OpenCV
_HEIGHT, _LEAST_WIDTH = 48, 320  # what the recogniser of RapidOCR takes, as configured in its package
_MARGIN = 10  # pixels


@dataclass(frozen=True)
class Line:
    """A line of print: (left, top, right, bottom) in pixels and what it says."""

    box: tuple[int, int, int, int]
    text: str


@dataclass(frozen=True)
class Recognizer:
    """Reads (h, w, 3) pixels of each line: text, and probabilities (places, characters) where it has them."""

    name: str
    title: str
    read: Callable[[Sequence[NDArray[np.uint8]]], Sequence[tuple[str, NDArray[Any] | None]]]


@dataclass(frozen=True)
class Reading:
    """Receipts of `data`/sroie. Counts are the character errors and the characters, of the lines together.

    Texts are compared without case and spaces: the annotators wrote capitals for small letters and joined words freely.
    """

    data: Path
    recognizer: Recognizer

    kind: ClassVar[MediaKind] = "image"
    score_name: ClassVar[str] = "character error rate"
    higher_is_better: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return self.recognizer.name

    @property
    def title(self) -> str:
        return (
            f"SROIE receipts (JPEG files, train and test), {self.recognizer.title}, {_NUM_LINES} lines of each as "
            "annotated, without case and spaces"
        )

    def keys(self) -> Sequence[str]:
        return receipt_keys(self.data)

    def sample(self, key: str) -> TaskSample[Image]:
        picture, lines = read_receipt(self.data, key)
        wanted = spread([str(index) for index in range(len(lines))], _NUM_LINES)
        return TaskSample(key, picture, [lines[int(index)] for index in wanted])

    def judge(self, sample: TaskSample[Image], decoded: Image) -> Judgement:
        read = self.recognizer.read([_cut(decoded, line) for line in sample.label])
        errors, characters = 0, 0
        for line, (text, _) in zip(sample.label, read, strict=True):
            errors += edit_distance(_plain(line.text), _plain(text))
            characters += len(_plain(line.text))
        known = [probabilities for _, probabilities in read if probabilities is not None]
        joined = np.concatenate(known) if len(known) == len(read) else None
        answer = " / ".join(text for text, _ in read)
        return Judgement((float(errors), float(characters)), answer, errors / max(characters, 1), joined)

    def aggregate(self, totals: Num[NDArray[Any], "*n k"]) -> Float[NDArray[Any], "*n"]:
        return np.asarray(totals[..., 0] / totals[..., 1])


def receipt_keys(data: Path) -> list[str]:
    """Split and file of each receipt of `data`/sroie."""
    return [f"{one}/{path.name}" for one in _SPLITS for path in sorted((data / _FOLDER / one / "images").glob("*.jpg"))]


def read_receipt(data: Path, key: str) -> tuple[Image, list[Line]]:
    """The picture and its annotated lines. Raises `OSError`, `CodecError`."""
    split, name = key.split("/")
    folder = data / _FOLDER / split
    return read_rgb_pictures(folder / "images" / name), read_lines(folder / "boxes" / f"{Path(name).stem}.csv")


def read_lines(path: Path) -> list[Line]:
    """Lines of a file of SROIE: x, y of four corners and the text, which may hold commas. Raises `OSError`."""
    lines = []
    for row in path.read_text(encoding="utf-8").splitlines():
        *corners, text = row.split(",", 8)
        if len(corners) == 8:
            xs, ys = [int(x) for x in corners[::2]], [int(y) for y in corners[1::2]]
            lines.append(Line((min(xs), min(ys), max(xs), max(ys)), text))
    return lines


def _cut(image: Image, line: Line) -> UInt[NDArray[Any], "h w 3"]:
    left, top, right, bottom = line.box
    return image.samples[max(top, 0) : bottom, max(left, 0) : right]


def _plain(text: str) -> str:
    return "".join(text.upper().split())


def read_by_rapidocr(
    lines: Sequence[UInt[NDArray[np.uint8], "h w 3"]],
) -> list[tuple[str, Float[NDArray[np.float32], "places characters"]]]:
    """Text, and the probability of blank and of each character at each place: the recogniser of PP-OCRv4 (CTC).

    Prepared as in the package rapidocr-onnxruntime 1.4.4 (TextRecognizer): blue first, 48 pixels high, at least 320 wide,
    filled with grey; but resized with the antialiasing of Pillow.
    """
    package, name = _RAPIDOCR
    path = packaged_file(package, name, install=RAPIDOCR_INSTALL)
    characters = ["", *onnx_metadata(path, "character").splitlines(), " "]
    return [_read_line(path, pixels, characters) for pixels in lines]


def _read_line(path: Path, pixels: NDArray[np.uint8], characters: Sequence[str]) -> tuple[str, NDArray[np.float32]]:
    height, width = pixels.shape[:2]
    whole = max(_LEAST_WIDTH, int(_HEIGHT * width / height))
    scaled = min(math.ceil(_HEIGHT * width / height), whole)
    picture = PillowImage.fromarray(pixels).resize((scaled, _HEIGHT), PillowImage.Resampling.BILINEAR)
    inputs = np.zeros((3, _HEIGHT, whole), np.float32)
    inputs[:, :, :scaled] = np.asarray(picture, np.float32)[..., ::-1].transpose(2, 0, 1) / 127.5 - 1
    probabilities = run_onnx(path, inputs)
    return ctc_text(probabilities.argmax(axis=1), characters), probabilities


def read_by_tesseract(lines: Sequence[UInt[NDArray[np.uint8], "h w 3"]]) -> list[tuple[str, None]]:
    """Text of each line by the program `tesseract`, English: grey, doubled, with a white margin, as it wants print.

    Raises `MissingDependencyError`, `CodecError` where it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        for number, pixels in enumerate(lines):
            grey = PillowImage.fromarray(pixels).convert("L")
            doubled = grey.resize((grey.width * 2, grey.height * 2), PillowImage.Resampling.BICUBIC)
            ImageOps.expand(doubled, _MARGIN, 255).save(Path(folder) / f"{number}.pgm")
        names = "".join(f"{Path(folder) / str(number)}.pgm\n" for number in range(len(lines)))
        text = _run_tesseract(names)
    return [(page.strip(), None) for page in text.split("\f")[: len(lines)]]


def _run_tesseract(names: str) -> str:
    """Pages that end in form feeds, of files that are a line each. One process for all loads the model once."""
    command = ["tesseract", "stdin", "stdout", "-l", "eng", "--psm", "7"]  # 7: a picture is one line of text
    try:
        done = subprocess.run(
            command,
            input=names.encode(),
            capture_output=True,
            check=True,
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        )
    except FileNotFoundError as err:
        raise MissingDependencyError(
            "the program tesseract is not on PATH; install it: apt-get install tesseract-ocr"
        ) from err
    except subprocess.CalledProcessError as err:
        raise CodecError(f"tesseract fails: {err.stderr.decode(errors='replace').strip()}") from err
    return done.stdout.decode("utf-8", errors="replace")


RECOGNIZERS: Final = (
    Recognizer("read", "recogniser of PP-OCRv4 (RapidOCR)", read_by_rapidocr),
    Recognizer("read-tesseract", "Tesseract (English)", read_by_tesseract),
)
