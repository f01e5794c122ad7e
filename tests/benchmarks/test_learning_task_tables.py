"""Tables of seven tasks learned from latents, of made-up rows."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from result_tables.learning_task_tables import best_pixels, learning_study_table, learning_task_table, newest_summaries

MINUS = "\N{MINUS SIGN}"
SECONDS = {"loading": 9.0, "compute": 9.0, "loading_processor": 0.25, "compute_processor": 0.5}


def summary(arm: str, ahead: list[float] | None = None, **changed: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "type": "learning summary",
        "jobs": "full",
        "date": "2026-01-02T03:04:05+00:00",
        "commit": "abc",
        "machine": {"cpu": "a processor"},
        "task": "read",
        "dataset": "lines",
        "arm": arm,
        "variant": "",
        "items": 80,
        "score_name": "cer",
        "unit": "%",
        "higher_is_better": False,
        "cer": [0.2, 0.15, 0.25],
        "cer_latents_ahead": ahead,
        "loss_latents_ahead": None if ahead is None else [-0.5, -0.75, -0.25],
        "input": f"input {arm}",
        "epochs": 20,
        "seconds_per_epoch": SECONDS,
        "train_bytes_per_epoch": 2.5e6,
        "peak_memory_bytes": 3e8,
        "seeds": 3,
        "validation": 0.3,
    }
    return {**row, **changed}


def test_less_is_better_turns_the_sign_of_what_latents_are_ahead() -> None:
    table = learning_task_table([summary("latents"), summary("small", [-0.04, -0.07, 0.01])])
    assert "read, lines: cer, less is better; n 80 | input latents | 20.0 [15.0, 25.0] % |  |" in table
    assert f"| +4.0 [{MINUS}1.0, +7.0] | +0.500 [+0.250, +0.750] | 0.25 | 0.75 | 15 | 2.5 | 0.30 | 20 | 3 |" in table


def test_newest_row_stands_and_few_epochs_only_where_there_is_no_whole_run() -> None:
    old, new = summary("latents", seeds=1), summary("latents", seeds=2)
    short, other = summary("latents", jobs="short"), summary("latents", jobs="short", dataset="others")
    assert newest_summaries([short, other, old, new], ("full", "short")) == [new, other]
    assert "others: cer, less is better; n 80, few epochs" in learning_task_table([new, other])


def test_best_arm_of_signals_is_that_of_validation() -> None:
    small, patches = summary("small", validation=0.4), summary("patches", validation=0.2)
    sooner = summary("pixels", validation=0.1, variant="equal time")
    assert best_pixels([summary("latents", validation=0.05), small, patches, sooner]) is patches
    assert "| **input patches** |" in learning_task_table([small, patches, sooner])
    assert best_pixels([summary("latents")]) is None


def test_study_says_what_a_variant_gains() -> None:
    rows = [summary("latents", jobs="study"), summary("latents", [0.03, 0.01, 0.05], jobs="study", variant="more")]
    accuracy = {"score_name": "accuracy", "higher_is_better": True, "accuracy": [0.6, 0.5, 0.7]}
    rows = [{**row, **accuracy, "accuracy_latents_ahead": row["cer_latents_ahead"]} for row in rows]
    lines = learning_study_table(rows).splitlines()
    assert "| as usual | 60.0 [50.0, 70.0] % |  |  | 15 | 3 |" in lines[2]
    assert f"| more | 60.0 [50.0, 70.0] % | {MINUS}3.0 [{MINUS}5.0, {MINUS}1.0] | {MINUS}0.500" in lines[3]
