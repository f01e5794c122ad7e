"""Names of tasks -> tasks on folders of data and models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from laconic.codecs.arguments import items_of_argument, name_argument, path_argument
from laconic.codecs.errors import CodecError
from laconic.tasks.mpq.protocol import Task

_GROUPS = {"images": ("imagenet", "segmentation"), "sounds": ("tagging", "speech")}
TASK_NAMES = ("imagenet", "segmentation", "mask-agreement", "tagging", "speech", "head:RUN")


def make_tasks(names: Sequence[str], data: Path, models: Path) -> list[Task[Any]]:
    """The tasks of these names, each once; "images" and "sounds" stand for two each.

    Raises `CodecError` for an unknown name and for a task without data.
    """
    data, models = path_argument("data", data), path_argument("models", models)
    texts = [name_argument("a task", name) for name in items_of_argument("tasks", names)]
    singles = [single for name in texts for single in _GROUPS.get(name, (name,))]
    tasks = [_make_task(name, data, models) for name in dict.fromkeys(singles)]
    for task in tasks:
        try:
            empty = not task.keys()
        except OSError:
            empty = True
        if empty:
            raise CodecError(f"task {task.name} finds no samples below {data}; name the folder that holds its data")
    return tasks


def _make_task(name: str, data: Path, models: Path) -> Task[Any]:
    from laconic.tasks.mpq.imagenet import ImageNet
    from laconic.tasks.mpq.segmentation import MaskAgreement, Streets
    from laconic.tasks.mpq.speech import Speech
    from laconic.tasks.mpq.tagging import Tagging

    word, _, run = name.partition(":")
    if word == "head" and run:
        from laconic.tasks.mpq.head import find_head

        return find_head(Path(run), data)
    frozen: list[Task[Any]] = [
        ImageNet(data, models),
        Streets(data, models),
        MaskAgreement(data, models),
        Tagging(data, models),
        Speech(data),
    ]
    for task in frozen:
        if task.name == name:
            return task
    raise CodecError(f"task {name!r} is unknown; known are {', '.join(TASK_NAMES)}, images and sounds")
