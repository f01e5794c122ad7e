"""Masks of `laconic encode --roi`: which picture says how much places of which input matter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from laconic.tasks.cli.jobs import FoundJob, Source

if TYPE_CHECKING:
    from jaxtyping import Float
    from numpy.typing import NDArray


class Masks:
    """Of the inputs, from one picture, or a folder of pictures that are named as their inputs are but for the extension."""

    def __init__(self, option: str | None, found: FoundJob) -> None:
        """Raises `typer.BadParameter` where there is no such file or folder, and for one picture of several inputs."""
        if option == "":
            raise typer.BadParameter("--roi is empty; name a picture or a folder of pictures")
        self._option = None if option is None else Path(option)
        self._folder: dict[Path, list[Path]] = {}
        if self._option is None or self._option.is_file():
            if self._option is not None and (len(found.sources) > 1 or found.has_folder):
                raise typer.BadParameter(f"--roi {option} is the mask of one input; name a folder of masks for several")
            return
        if not self._option.is_dir():
            raise typer.BadParameter(f"--roi {option} does not exist; allowed is a picture or a folder of pictures")
        from laconic.codecs.files import picture_extensions

        known = picture_extensions()
        for path in sorted(self._option.rglob("*")):
            if path.suffix.lower() in known:
                self._folder.setdefault(path.relative_to(self._option).with_suffix(""), []).append(path)

    def of_source(self, source: Source) -> Float[NDArray[Any], "h w"] | None:
        """How much places of an input matter, 0 to 1, None where there is no mask. Raises `CodecError` for masks that
        cannot be read or have colours, and for several of one input."""
        from laconic.codecs.errors import CodecError, sentence_of_error
        from laconic.codecs.files import read_image
        from laconic.entropy import BitstreamError

        path = self._option
        if self._option is not None and not self._option.is_file():
            paths = self._folder.get(source.place.with_suffix(""), [])
            if len(paths) > 1:
                raise CodecError(f"it has the masks {', '.join(map(str, paths))}; allowed is one: remove the others")
            path = paths[0] if paths else None
        if path is None:
            return None
        try:
            mask = read_image(path)
        except (CodecError, BitstreamError, OSError) as err:
            raise CodecError(f"the mask {path}: {sentence_of_error(err)}") from err
        samples = mask.samples
        if samples.shape[2] not in (1, 3) or (samples != samples[:, :, :1]).any():
            raise CodecError(f"the mask {path} has colours or alpha; allowed is a grey picture, white where it matters")
        return samples[:, :, 0] / mask.peak

    def note_without(self, source: Source) -> str:
        """What to say of an input that has none, nothing where none were asked for."""
        if self._option is None:
            return ""
        return f"{self._option} has no mask {source.place.stem}.*; all of it was encoded alike"
