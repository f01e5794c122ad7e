"""What may import what: the layers go one way, heavy and dangerous libraries stay where they are named."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ("entropy", "codecs", "tasks")  # each may import those before it
MODULES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))
HEADERS = sorted(path for layer in LAYERS for path in (ROOT / layer / "native").glob("*.[ch]pp"))
# Folders and modules that may import torch at their top; all others do so inside a function or not at all.
TORCH_PLACES = (
    "entropy/bottleneck.py",
    "codecs/external/compressai.py",
    "codecs/external/encodec.py",
    "codecs/learning/",
    "codecs/models/neural_synthesis.py",
    "codecs/onnx_export.py",
    "codecs/walloc/walloc_network.py",
    "tasks/datasets/torch_dataset.py",
    "tasks/examples/",
    "tasks/heads/",
    "tasks/training/",
)
# Modules of the entropy layer that may use torch at all.
ENTROPY_TORCH_MODULES = {"entropy/bottleneck.py", "entropy/compressai.py"}
PICKLES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
# The law "a codec can be pickled" is checked with pickle, on values that the checker made itself.
MAY_PICKLE = {"codecs/checks.py"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports_of(tree: ast.AST) -> set[str]:
    """Full names of everything imported anywhere below a node."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are not used here"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def top_level_imports_of(tree: ast.Module) -> set[str]:
    """Those that run when the module is imported: not in functions, not under TYPE_CHECKING."""
    found: set[str] = set()
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            pending += node.orelse
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= imports_of(node)
        pending += ast.iter_child_nodes(node)
    return found


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def is_of(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def test_there_is_something_to_check() -> None:
    assert len(MODULES) > 25
    assert len(HEADERS) > 8


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_down_only(path: Path) -> None:
    above = LAYERS[LAYERS.index(path.relative_to(ROOT).parts[0]) + 1 :]
    names = imports_of(parsed(path))
    assert not [name for name in names for layer in above if is_of(name, f"laconic.{layer}")]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_package_imports_itself_by_its_full_name(path: Path) -> None:
    names = imports_of(parsed(path))
    assert not [name for name in names for layer in LAYERS if is_of(name, layer)]
    assert not [name for name in names if name.split(".")[0] in ("tests", "benchmarks")]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_torch_is_imported_on_first_use_only(path: Path) -> None:
    if name_of(path).startswith(TORCH_PLACES):
        return
    assert not [name for name in top_level_imports_of(parsed(path)) if is_of(name, "torch")]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_entropy_knows_neither_pictures_nor_torch(path: Path) -> None:
    if path.relative_to(ROOT).parts[0] != "entropy" or name_of(path) in ENTROPY_TORCH_MODULES:
        return
    foreign = ("torch", "PIL", "soundfile", "tifffile", "safetensors", "rich", "typer")
    assert not [name for name in imports_of(parsed(path)) for package in foreign if is_of(name, package)]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_is_read_from_pickles(path: Path) -> None:
    tree = parsed(path)
    if name_of(path) not in MAY_PICKLE:
        assert not [name for name in imports_of(tree) if name.split(".")[0] in PICKLES]
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr != "load":
            continue
        owner = ast.unparse(node.func.value)
        keywords = {word.arg: ast.unparse(word.value) for word in node.keywords}
        if owner == "torch":
            assert keywords.get("weights_only") == "True", f"line {node.lineno}"
        if owner in ("np", "numpy"):
            assert keywords.get("allow_pickle", "False") == "False", f"line {node.lineno}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_the_command_line_and_the_examples_print(path: Path) -> None:
    if "cli" in path.parts or "examples" in path.parts:
        return
    calls = [node.func for node in ast.walk(parsed(path)) if isinstance(node, ast.Call)]
    assert not [call for call in calls if isinstance(call, ast.Name) and call.id in ("print", "input")]


@pytest.mark.parametrize("path", HEADERS, ids=name_of)
def test_native_files_include_neither_upwards_nor_python(path: Path) -> None:
    """A header includes headers of its own folder (never a cycle), of the coder's and of the standard library; bindings
    add nanobind."""
    included = [
        line.split()[1] for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#include")
    ]
    own = [name.strip('"') for name in included if name.startswith('"')]
    # What both native layers need, the lower one has.
    folders = (path.parent, ROOT / "entropy" / "native")
    assert all(any((folder / name).is_file() for folder in folders) and "/" not in name for name in own)
    assert path.name not in own
    foreign = [name for name in included if name.startswith("<") and ("/" in name or name.endswith(".h>"))]
    intrinsics = [name for name in foreign if name.endswith("intrin.h>") or name == "<arm_neon.h>"]
    allowed = [name for name in foreign if path.stem.endswith("bindings") and name.startswith("<nanobind/")]
    assert sorted(foreign) == sorted(intrinsics + allowed)
    assert not [name for name in own if name.endswith("bindings.cpp")]


@pytest.mark.parametrize("folder", sorted({path.parent for path in HEADERS}), ids=name_of)
def test_native_headers_include_each_other_without_a_cycle(folder: Path) -> None:
    includes = {
        path.name: {
            line.split('"')[1]
            for line in path.read_text(encoding="utf-8").splitlines()
            if line.startswith('#include "')
        }
        for path in folder.glob("*.[ch]pp")
    }
    while includes:
        free = {name for name, needed in includes.items() if not needed & includes.keys()}
        assert free, f"a cycle among {sorted(includes)}"
        includes = {name: needed for name, needed in includes.items() if name not in free}


@pytest.mark.parametrize(
    "module", ["laconic.entropy", "laconic.codecs", "laconic.codecs.models.zoo", "laconic.entropy.errors"]
)
def test_import_is_light(module: str) -> None:
    """Neither numpy nor torch nor Pillow before something needs them."""
    code = f"import sys, {module}; print(*[m for m in ('numpy', 'torch', 'PIL') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_coding_a_picture_needs_no_torch() -> None:
    code = (
        "import sys, numpy as np\n"
        "from laconic.codecs.lcn import Lcn\n"
        "from laconic.codecs.media import Image\n"
        "codec, picture = Lcn(), Image(np.zeros((9, 9, 3), np.uint8))\n"
        "assert codec.decode(codec.encode(picture)).samples.shape == (9, 9, 3)\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
