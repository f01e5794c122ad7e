"""Model files in folders as Hugging Face's hub has them, so that they can be shared: `save_pretrained_model` makes such a
folder, `pretrained_model_path` finds the model in one, or in a repository of the hub.

    save_pretrained_model("mine.safetensors", "FOLDER")
    codec = Lcn(model=pretrained_model_path("somebody/our-sounds"))

Nothing is downloaded but by a name that is no folder, and with `local_files_only` not then.
"""

from __future__ import annotations

import json
from pathlib import Path

from laconic.codecs.arguments import flag_argument, path_argument, text_argument
from laconic.codecs.errors import CodecError, MissingDependencyError
from laconic.codecs.models.zoo import model_path, read_zoo_entry
from laconic.codecs.whole_files import atomic_write

PRETRAINED_MODEL_NAME = "model.safetensors"
_PATTERNS = ["*.safetensors", "*.json", "README.md"]


def pretrained_folder(
    name: Path | str,
    *,
    revision: str | None = None,
    local_files_only: bool = False,
    cache_dir: Path | str | None = None,
) -> Path:
    """A folder as it is; of another name, that of a repository of the hub, the folder of its files, which are downloaded
    where they are not there. Raises `CodecError` where they cannot be had, `MissingDependencyError`."""
    text = text_argument("name", str(name) if isinstance(name, Path) else name)
    local_files_only = flag_argument("local_files_only", local_files_only)
    if Path(text).is_dir():
        return Path(text)
    try:
        from huggingface_hub import snapshot_download
    except ImportError as err:
        raise MissingDependencyError(
            f"{text} is no folder, and huggingface_hub, which finds it elsewhere, is not installed: "
            "pip install huggingface_hub"
        ) from err
    try:
        found = snapshot_download(
            text,
            revision=revision,
            local_files_only=local_files_only,
            cache_dir=None if cache_dir is None else str(cache_dir),
            allow_patterns=_PATTERNS,
        )
    except Exception as err:  # of the network, of names, of rights: each in its own way
        where = " on this machine" if local_files_only else ""
        reason = " ".join(str(err).split()).partition(". ")[0]
        raise CodecError(f"{text} is no folder, and no repository of the hub that can be had{where}: {reason}") from err
    return Path(found)


def save_pretrained_model(model: str, folder: Path | str, *, force: bool = False) -> None:
    """Put a model into a folder that can be uploaded as a repository of the hub. `model`: a shipped name or a path. Raises
    `CodecError`, `FileExistsError` without `force`, `OSError`."""
    entry = read_zoo_entry(model_path(model))
    config = json.loads(entry.card["config"])
    folder = path_argument("folder", folder)
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write(folder / PRETRAINED_MODEL_NAME, entry.path.read_bytes(), force=force)
    what = f"A model of kind {config['kind']}, fingerprint {entry.fingerprint.hex()}."
    write_pretrained_card(folder, entry.name, f'{what}\n\n    Lcn(model=pretrained_model_path("REPOSITORY"))\n')


def pretrained_model_path(
    name: Path | str,
    *,
    revision: str | None = None,
    local_files_only: bool = False,
    cache_dir: Path | str | None = None,
) -> str:
    """The path of the model in a folder or a repository of the hub, as `Lcn` takes it. Raises as `pretrained_folder` does,
    and `WeightsError` for what is no model."""
    folder = pretrained_folder(name, revision=revision, local_files_only=local_files_only, cache_dir=cache_dir)
    return str(read_zoo_entry(folder / PRETRAINED_MODEL_NAME).path)


def write_pretrained_card(folder: Path, title: str, text: str) -> None:
    """A README.md as the hub shows it, unless there is one."""
    if not (folder / "README.md").exists():
        head = "---\nlibrary_name: laconic\ntags:\n- compression\n---\n"
        atomic_write(folder / "README.md", f"{head}\n# {title}\n\n{text}".encode(), force=True)
