"""Names of tasks -> tasks on folders of data and models.

Packages add their own by an entry point of the group "laconic.tasks": name = "module:make", where make(data, models) gives
a task (`protocol.Task`) of the two folders. Names of built-in tasks cannot be taken over.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final, cast, get_args

from laconic.codecs.arguments import items_of_argument, name_argument, path_argument
from laconic.codecs.errors import CodecError, sentence_of_error
from laconic.codecs.form import MediaKind
from laconic.tasks.mpq.protocol import Task

GROUP: Final = "laconic.tasks"
_GROUPS = {
    "images": ("imagenet", "imagenet-lite1", "segmentation", "read"),
    "sounds": ("tagging", "speech", "speaker", "speech-quality"),
}
_MEMBERS = "name", "title", "kind", "score_name", "higher_is_better", "keys", "sample", "judge", "aggregate"
TASK_NAMES = (
    "imagenet",
    "imagenet-v1",
    "imagenet-lite1",
    "cifar10",
    "segmentation",
    "mask-agreement",
    "read",
    "read-tesseract",
    "detect",
    "tagging",
    "speech",
    "keywords",
    "speaker",
    "speech-quality",
    "head:RUN",
    "model:FILE",
    "model:MODULE:FUNCTION",
)


def make_tasks(names: Sequence[str], data: Path, models: Path) -> list[Task[Any]]:
    """The tasks of these names, each once; "images" and "sounds" stand for several each.

    Raises `CodecError` for no or an unknown name, for a task without data, and for an entry point that makes no task.
    """
    data, models = path_argument("data", data), path_argument("models", models)
    texts = [name_argument("a task", name) for name in items_of_argument("tasks", names)]
    singles = [single for name in texts for single in _GROUPS.get(name, (name,))]
    tasks = [_make_task(name, data, models) for name in dict.fromkeys(singles)]
    if not tasks:
        raise CodecError(f"no task is named; known are {_known_names()}, images and sounds")
    names_of_tasks = [task.name for task in tasks]
    for task in tasks:
        if names_of_tasks.count(task.name) > 1:
            raise CodecError(
                f"two tasks are called {task.name}, the key of their rows; evaluate them apart, or rename one"
            )
        _check_keys(task, data)
    return tasks


def _check_keys(task: Task[Any], data: Path) -> None:
    try:
        keys = list(task.keys())
    except OSError:
        keys = []
    except CodecError:
        raise
    except Exception as err:  # code of others
        raise CodecError(f"task {task.name} cannot list its samples: {sentence_of_error(err)}") from err
    if not keys:
        raise CodecError(f"task {task.name} finds no samples below {data}; name the folder that holds its data")
    if not all(isinstance(key, str) for key in keys) or len(set(keys)) < len(keys):
        raise CodecError(f"task {task.name} has keys that are no texts, or the same one twice; a key names one sample")


def _make_task(name: str, data: Path, models: Path) -> Task[Any]:
    word, _, run = name.partition(":")
    if word == "head" and run:
        from laconic.tasks.mpq.head import find_head

        return find_head(Path(run), data)
    if word == "model" and run:
        from laconic.tasks.mpq.own_model import find_own_model

        return find_own_model(run, data)
    frozen = _frozen_task(name, data, models)
    if frozen is not None:
        return frozen
    plugins = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name in plugins:
        return _task_of(plugins[name], data, models)
    raise CodecError(f"task {name!r} is unknown; known are {_known_names()}, images and sounds")


def _known_names() -> str:
    return ", ".join(dict.fromkeys((*TASK_NAMES, *sorted(entry.name for entry in entry_points(group=GROUP)))))


def _frozen_task(name: str, data: Path, models: Path) -> Task[Any] | None:
    from laconic.tasks.mpq.cifar10 import Cifar10
    from laconic.tasks.mpq.detection import Detection
    from laconic.tasks.mpq.imagenet import CLASSIFIERS, ImageNet
    from laconic.tasks.mpq.keywords import Keywords
    from laconic.tasks.mpq.reading import RECOGNIZERS, Reading
    from laconic.tasks.mpq.segmentation import MaskAgreement, Streets
    from laconic.tasks.mpq.speaker import Speaker
    from laconic.tasks.mpq.speech import Speech
    from laconic.tasks.mpq.speech_quality import SpeechQuality
    from laconic.tasks.mpq.tagging import Tagging

    tasks: list[Task[Any]] = [
        *(ImageNet(data, models, classifier) for classifier in CLASSIFIERS),
        Cifar10(data, models),
        Streets(data, models),
        MaskAgreement(data, models),
        *(Reading(data, recognizer) for recognizer in RECOGNIZERS),
        Detection(data),
        Tagging(data, models),
        Speech(data),
        Keywords(data, models),
        Speaker(data),
        SpeechQuality(data),
    ]
    return next((task for task in tasks if task.name == name), None)


def _task_of(entry: EntryPoint, data: Path, models: Path) -> Task[Any]:
    """Raises `CodecError` whatever the code of another package raises, and for what lacks members of a task."""
    try:
        task = entry.load()(data, models)
    except Exception as err:
        raise CodecError(
            f"task {entry.name!r} ({entry.value}) cannot be made: {sentence_of_error(err, is_ours=False)}"
        ) from err
    lacking = [member for member in _MEMBERS if not hasattr(task, member)]
    if lacking:
        raise CodecError(f"task {entry.name!r} ({entry.value}) has no {lacking[0]}; a task has {', '.join(_MEMBERS)}")
    if task.kind not in get_args(MediaKind):
        raise CodecError(f"task {entry.name!r} ({entry.value}) is of kind {task.kind!r}; allowed are image and sound")
    if task.name != entry.name:
        raise CodecError(
            f"task {entry.name!r} ({entry.value}) calls itself {task.name!r}; its name is its entry point's"
        )
    return cast("Task[Any]", task)
