"""What the `laconic` command loads: nothing heavy before it is needed. Each case is a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

PICTURE = Path(__file__).parents[1] / "data" / "kodim05_crop.png"
HEAVY = ("numpy", "PIL", "rich", "safetensors", "torch")
SHOW_LOADED = """
import sys
sys.argv[0] = "laconic"
from laconic.tasks.cli import main
try:
    main()
finally:
    print("loaded:", *(name for name in {heavy!r} if name in sys.modules), file=sys.stderr)
"""


def loaded_by(*arguments):
    """The heavy packages that a command loads."""
    code = SHOW_LOADED.format(heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].removeprefix("loaded:").split())


@pytest.fixture(scope="module")
def encoded(tmp_path_factory):
    path = tmp_path_factory.mktemp("light") / "picture.lcn"
    subprocess.run([sys.executable, "-m", "laconic.tasks.cli", "encode", PICTURE, "-o", path, "--quiet"], check=True)
    return path


@pytest.mark.parametrize("verb", ["", "encode", "decode", "info", "verify", "fit", "models", "export"])
def test_help_loads_nothing_heavy(verb):
    assert loaded_by(*verb.split(), "--help") == set()


def test_info_loads_nothing_heavy(encoded):
    assert loaded_by("info", encoded) == set()
    assert loaded_by("info", encoded, "--json") == set()


def test_models_loads_nothing_heavy():
    assert loaded_by("models") == set()


def test_version_loads_nothing_heavy():
    assert loaded_by("--version") == set()


def test_work_loads_no_torch(encoded, tmp_path):
    assert "torch" not in loaded_by("encode", PICTURE, "-o", tmp_path / "x.lcn")
    assert "torch" not in loaded_by("decode", encoded, "-o", tmp_path / "x.png")
    assert "torch" not in loaded_by("verify", encoded)


def test_import_of_codecs_loads_nothing_heavy():
    code = f"import sys, laconic.codecs; print([n for n in {HEAVY!r} if n in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@pytest.mark.parametrize("verb", ["--help", "info"])
def test_help_and_info_load_few_modules(verb, encoded):
    """What makes them take a fifth of a second at most: they load some 200 modules, and numpy alone would load 130 more."""
    arguments = [verb, *([str(encoded)] if verb == "info" else [])]
    code = (
        f"import sys; sys.argv = ['laconic', *{arguments!r}]\nfrom laconic.tasks.cli import main\n"
        "try:\n    main()\nfinally:\n    print(len(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stderr.splitlines()[-1]) <= 260
