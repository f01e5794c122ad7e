"""Packing on a Ray cluster of two workers on this machine: the bytes of packing in threads."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
import source_scene as scene
from typer.testing import CliRunner

from laconic.codecs.errors import CodecError, MissingDependencyError
from laconic.tasks.cli import app
from laconic.tasks.datasets import archive
from laconic.tasks.datasets.pack_engines import ThreadEngine
from laconic.tasks.datasets.pack_index import PackIndexOptions
from laconic.tasks.datasets.ray_engine import RayEngine
from laconic.tasks.datasets.sources.pack_source import SourceSample

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray warns of its own code
SAMPLE = SourceSample("0.png", "train", 0)
OPTIONS = PackIndexOptions(size=16, shard_samples=3)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_without_ray_the_install_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    root = scene.make_class_folder(tmp_path / "in")
    with pytest.raises(MissingDependencyError, match=r"Ray is not installed; .* pip install laconic\[ray\]"):
        archive.pack(root, tmp_path / "out", engine=RayEngine())
    done = CliRunner().invoke(app, ["pack", str(root), "-o", str(tmp_path / "out"), "--engine", "ray"])
    assert done.exit_code != 0 and "pip install laconic[ray]" in done.stderr
    done = CliRunner().invoke(app, ["pack", str(root), "-o", str(tmp_path / "out"), "--engine", "ray", "-j", "2"])
    assert done.exit_code == 2 and "--threads is not for --engine ray" in done.stderr


@pytest.mark.parametrize("count", [0, 1 << 15, 1.0])
def test_counts_outside_their_range_are_sentences(count: int) -> None:
    with pytest.raises(CodecError, match="num_workers is"):
        RayEngine(count)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two workers; the connection is the caller's, so that one cluster serves all tests."""
    pytest.importorskip("ray.data", exc_type=ImportError)
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield ray
    ray.shutdown()


def test_results_keep_the_order_of_samples(cluster: Any) -> None:
    number_of: Any = itemgetter(0)  # a function that workers have
    entries = [(number, SAMPLE) for number in range(100)]
    with RayEngine(2).encoding(number_of, entries) as results:
        assert list(results) == list(range(100))
    with RayEngine().encoding(number_of, []) as results:
        assert list(results) == []
    assert cluster.is_initialized()  # as it was before


def test_packs_of_a_cluster_are_those_of_threads(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = scene.make_class_folder(tmp_path / "folder", with_targets=True)
    (folder / "train" / "red" / "9.png").write_bytes(b"no picture")
    scene.make_zip(tmp_path / "all.zip", folder)
    scene.make_tar(tmp_path / "train.tar", scene.tar_members("train"))
    monkeypatch.chdir(tmp_path)
    for name in ("folder", "all.zip", "train.tar"):
        here = archive.pack(name, f"local-{name}", OPTIONS, engine=ThreadEngine(1))
        done: list[int] = []
        there = archive.pack(name, f"ray-{name}", OPTIONS, engine=RayEngine(2), on_sample=done.append)
        assert files_of(tmp_path / f"ray-{name}") == files_of(tmp_path / f"local-{name}")
        assert here.skipped == there.skipped
        assert done == list(range(1, len(done) + 1))


@pytest.mark.filterwarnings("error:.*ray_remote_args")
def test_ray_does_not_warn_of_how_it_is_called(cluster: Any) -> None:
    number_of: Any = itemgetter(0)
    with RayEngine(2).encoding(number_of, [(7, SAMPLE)]) as results:
        assert list(results) == [7]


def test_a_pack_that_was_stopped_is_finished_on_a_cluster(cluster: Any, tmp_path: Path) -> None:
    folder = scene.make_class_folder(tmp_path / "in")

    def stop(done: int) -> None:
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        archive.pack(folder, tmp_path / "out", OPTIONS, engine=RayEngine(2), on_sample=stop)
    archive.pack(folder, tmp_path / "out", OPTIONS, engine=RayEngine(2))
    archive.pack(folder, tmp_path / "local", OPTIONS)
    assert files_of(tmp_path / "out") == files_of(tmp_path / "local")


def test_a_failing_function_is_a_sentence(cluster: Any) -> None:
    fails: Any = itemgetter(9)
    match = r"the Ray cluster failed: IndexError: tuple index out of range; the same command goes on"
    with pytest.raises(CodecError, match=match), RayEngine(1).encoding(fails, [(0, SAMPLE)]) as results:
        list(results)


class Unknown:
    """In a module that workers do not have."""

    def __call__(self, entry: Any) -> Any:
        raise AssertionError


def test_workers_that_lack_a_module_are_a_sentence_and_not_retried_for_ever(cluster: Any) -> None:
    match = r"the Ray cluster failed: .*No module named"
    with pytest.raises(CodecError, match=match), RayEngine(1).encoding(Unknown(), [(0, SAMPLE)]) as results:
        list(results)
