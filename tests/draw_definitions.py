"""Draws definitions by lot and asks where they live: names that do not say it are hard to live with.

    python tests/draw_definitions.py [--seed N] [--number N]                   # the question: modules, then names
    python tests/draw_definitions.py [--seed N] [--number N] --answers FILE    # a module a line, in order

The question holds nothing but names, so a reader who has not seen the code answers by names alone. A definition is a
public class or function at the top of a module of the package; names defined in more than one module are not drawn.
"""

from __future__ import annotations

import argparse
import ast
import random
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("entropy", "codecs", "tasks")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--number", type=int, default=20)
    parser.add_argument("--answers", type=Path, help="a module a line, as entropy/tables.py")
    options = parser.parse_args()
    homes = homes_of_definitions(ROOT)
    names = drawn(homes, seed=options.seed, number=options.number)
    if options.answers is None:
        print("\n".join(["Modules:", *modules_of(ROOT), "", "Where does each of these live?", *names]))
        return
    answers = options.answers.read_text(encoding="utf-8").split()
    if len(answers) != len(names):
        sys.exit(f"{options.answers} has {len(answers)} answers to {len(names)} names; allowed is one a name")
    print(report(homes, names, answers))


def modules_of(root: Path) -> list[str]:
    """Paths of the package's public modules; the maps of folders define nothing."""
    found = (path for layer in LAYERS for path in (root / layer).rglob("*.py") if not path.name.startswith("_"))
    return sorted(path.relative_to(root).as_posix() for path in found)


def homes_of_definitions(root: Path) -> dict[str, str]:
    """Public definitions that have one home, with it."""
    homes: dict[str, list[str]] = {}
    for module in modules_of(root):
        for node in ast.parse((root / module).read_text(encoding="utf-8")).body:
            if (
                isinstance(node, ast.ClassDef | ast.FunctionDef)
                and not node.name.startswith("_")
                and node.name != "main"
            ):
                homes.setdefault(node.name, []).append(module)
    return {name: found[0] for name, found in sorted(homes.items()) if len(found) == 1}


def drawn(homes: dict[str, str], *, seed: int, number: int) -> list[str]:
    """The same names for the same seed and tree."""
    return random.Random(seed).sample(list(homes), number)


def report(homes: dict[str, str], names: Sequence[str], answers: Sequence[str]) -> str:
    """A line a name, then how many answers were right."""
    lines = []
    for name, answer in zip(names, answers, strict=True):
        is_right = answer == homes[name]
        lines.append(f"{name}: {answer}, right" if is_right else f"{name}: {answer}, but it lives in {homes[name]}")
    right = sum(answer == homes[name] for name, answer in zip(names, answers, strict=True))
    return "\n".join([*lines, f"{right} of {len(names)} right"])


if __name__ == "__main__":
    main()
