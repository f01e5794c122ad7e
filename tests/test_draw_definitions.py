"""The lot of definitions is drawn by its seed, and answers are counted."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parent / "draw_definitions.py"


def run(*options: object) -> str:
    command = [sys.executable, str(SCRIPT), *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_question_is_the_same_for_a_seed_and_names_no_home() -> None:
    question = run("--seed", 3)
    assert question == run("--seed", 3) != run("--seed", 4)
    modules, names = question.split("\n\nWhere does each of these live?\n")
    assert "codecs/lcn.py" in modules
    assert len(set(names.split())) == 20
    assert "/" not in names


def test_right_and_wrong_answers_are_counted(tmp_path: Path) -> None:
    answers = tmp_path / "answers.txt"
    answers.write_text("codecs/nowhere.py\n" * 2, encoding="utf-8")
    names = run("--number", 2).split("?\n")[1].split()
    lines = run("--number", 2, "--answers", answers).splitlines()
    assert lines[-1] == "0 of 2 right"
    homes = [line.partition("lives in ")[2] for line in lines[:2]]
    for name, home in zip(names, homes, strict=True):
        assert f" {name}(" in (SCRIPT.parents[1] / home).read_text(encoding="utf-8").replace(":", "(")
    answers.write_text(f"{homes[0]}\ncodecs/nowhere.py\n", encoding="utf-8")
    assert run("--number", 2, "--answers", answers).splitlines()[-1] == "1 of 2 right"
