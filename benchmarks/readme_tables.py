"""Writes the tables of README.md and benchmarks/README.md from benchmarks/results.

    python benchmarks/readme_tables.py [--check]

A table stands between `<!-- table:NAME -->` and `<!-- /table -->` and is replaced as a whole. With `--check` nothing
is written, and the exit status is 1 if a table differs from its results.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import common
from result_tables import (
    coder_tables,
    comparison_tables,
    cube_tables,
    headline,
    learning_tables,
    learning_task_tables,
    loading_tables,
    lossless_tables,
    machine_tables,
    picture_tables,
    sound_tables,
    speed_tables,
    tuning_tables,
)

README = common.BENCHMARKS.parent / "README.md"
_BLOCK = re.compile(r"(<!-- table:(?P<name>\w+) -->\n)(?P<body>.*?)(<!-- /table -->)", re.DOTALL)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--readme", type=Path, nargs="+", default=[README, common.BENCHMARKS / "README.md"])
    parser.add_argument("--results", type=Path, default=common.RESULTS, help="folder of the .jsonl files")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a table is out of date")
    options = parser.parse_args()
    for readme in options.readme:
        before = readme.read_text(encoding="utf-8")
        try:
            after = updated(before, options.results)
        except (FileNotFoundError, ValueError) as err:
            sys.exit(str(err))
        if options.check and after != before:
            sys.exit(f"the tables of {readme} are out of date: run python benchmarks/readme_tables.py")
        if after != before:
            readme.write_text(after, encoding="utf-8")


def updated(text: str, results: Path) -> str:
    """`text` with every table replaced by what the results in the folder give.

    Raises `ValueError` for a table that has no generator or no end, `FileNotFoundError` for missing results.
    """
    num_openings = text.count("<!-- table:")
    if num_openings != len(_BLOCK.findall(text)) or any("<!-- table:" in m["body"] for m in _BLOCK.finditer(text)):
        raise ValueError(
            f"of {num_openings} openings <!-- table:NAME --> not all are followed by <!-- /table -->; allowed are "
            "pairs of whole lines: add what is missing"
        )

    def replace(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in TABLES:
            raise ValueError(f"table {name} is unknown; allowed are {', '.join(TABLES)}: correct the marker")
        files, table = TABLES[name]
        return match[1] + table(*(common.read_rows(results / f"{file}.jsonl") for file in files)) + match[4]

    return _BLOCK.sub(replace, text)


# Of each table: the files that it is made of, and what makes it of their rows.
TABLES: dict[str, tuple[tuple[str, ...], Callable[..., str]]] = {
    "headline": (
        ("learning_tasks", "machine_quality/summary", "rd_kodak", "speed", "loading"),
        headline.headline_table,
    ),
    "machine": (("machine_quality/bd", "machine_quality/sounds/bd"), machine_tables.machine_table),
    "study": (("study",), machine_tables.study_table),
    "machine_tuning": (("machine",), tuning_tables.tuning_table),
    "compressed": (("compressed",), machine_tables.compressed_table),
    "loading": (("loading",), loading_tables.loading_table),
    "equal_loss": (("equal_loss",), loading_tables.equal_loss_table),
    "index": (("index",), loading_tables.index_table),
    "packing": (("packing",), loading_tables.packing_table),
    "learning_tasks": (("learning_tasks",), learning_task_tables.learning_task_table),
    "learning_study": (("learning_tasks",), learning_task_tables.learning_study_table),
    "selection": (("selection",), learning_tables.selection_table),
    "rd_kodak": (("rd_kodak",), picture_tables.rd_table),
    "rd_kodak_avx2": (("rd_kodak_avx2",), picture_tables.rd_table),
    "rd_effort3": (("rd_effort3",), picture_tables.rd_unseen_table),
    "rd_unseen": (("rd_unseen",), picture_tables.rd_unseen_table),
    "rd_unlike_kodak": (("rd_unlike_kodak",), picture_tables.rd_unseen_table),
    "unlike_pictures": (("rd_unlike_kodak",), picture_tables.pictures_table),
    "before": (("rd_before", "rd_kodak", "rd_unseen", "rd_unlike_kodak"), comparison_tables.before_table),
    "published": (("published", "rd_kodak"), comparison_tables.published_table),
    "bands": (("bands",), comparison_tables.bands_table),
    "walloc": (("walloc",), picture_tables.walloc_table),
    "channels": (("channels",), picture_tables.channels_table),
    "projections": (("projections",), picture_tables.projections_table),
    "neural": (("neural",), speed_tables.neural_table),
    "speed": (("speed",), speed_tables.speed_table),
    "speed_avx2": (("speed_avx2",), speed_tables.speed_table),
    "start": (("start",), speed_tables.start_table),
    "audio": (("audio",), sound_tables.audio_table),
    "lossless": (("lossless",), lossless_tables.lossless_table),
    "cubes": (("cubes",), cube_tables.cubes_table),
    "words": (("words",), sound_tables.words_table),
    "tagging": (("tagging",), sound_tables.tagging_table),
    "speech_scores": (("speech_scores",), sound_tables.speech_scores_table),
    "tokens": (("tokens",), sound_tables.tokens_table),
    "long_sounds": (("long_sounds",), sound_tables.long_sounds_table),
    "entropy": (("entropy",), coder_tables.entropy_table),
    "contexts": (("contexts",), coder_tables.contexts_table),
}


if __name__ == "__main__":
    main()
