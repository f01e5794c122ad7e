"""Samples encoded in threads and in worker processes: the same pack, in order, whatever happens to a worker."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from laconic.codecs.errors import CodecError
from laconic.tasks.datasets import archive
from laconic.tasks.datasets.class_folders import list_class_folder
from laconic.tasks.datasets.pack_engines import PackEngine, SampleEntry, ThreadEngine, WorkerEngine, usual_engine
from laconic.tasks.datasets.pack_index import PackIndexOptions
from laconic.tasks.datasets.sample_encoder import SampleEncoder
from laconic.tasks.datasets.shard_writer import ShardSample
from laconic.tasks.datasets.sources.pack_source import SourceSample

OPTIONS = PackIndexOptions(size=32, shard_samples=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven pictures and a bad one; two of them need to know the depth of their series."""
    root = tmp_path_factory.mktemp("pictures")
    (root / "a").mkdir()
    random = np.random.default_rng(5)
    for i in range(9):
        PillowImage.fromarray(random.integers(0, 256, (40, 40, 3), np.uint8)).save(root / "a" / f"{i}.png")
    for i, most in enumerate((700, 4000)):
        PillowImage.fromarray(np.full((40, 40), most, np.uint16)).save(root / "a" / f"deep{i}.png")
    (root / "a" / "bad.png").write_bytes(b"no picture")
    return root


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_workers_make_the_same_pack(folder: Path, tmp_path: Path) -> None:
    engines: list[PackEngine] = [ThreadEngine(1), ThreadEngine(3), WorkerEngine(2)]
    for number, engine in enumerate(engines):
        index = archive.pack(folder, tmp_path / str(number), OPTIONS, engine=engine)
        assert (len(index), index.skipped[0][0], index.options.bit_depth) == (11, "a/bad.png", 12)
    assert files_of(tmp_path / "0") == files_of(tmp_path / "1") == files_of(tmp_path / "2")


def test_a_bit_depth_that_was_found_is_not_lost_by_an_interruption(folder: Path, tmp_path: Path) -> None:
    """It was of a sample in a shard that was finished before."""
    whole = archive.pack(folder, tmp_path / "whole", OPTIONS, engine=ThreadEngine(1))
    for stop in range(1, 12):
        (tmp_path / str(stop)).mkdir()

        def interrupt(done: int, stop: int = stop) -> None:
            if done == stop:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            archive.pack(folder, tmp_path / str(stop), OPTIONS, engine=ThreadEngine(1), on_sample=interrupt)
        index = archive.pack(folder, tmp_path / str(stop), OPTIONS, engine=ThreadEngine(1))
        assert index.options == whole.options
        assert files_of(tmp_path / str(stop)) == files_of(tmp_path / "whole")


class _Mortal:
    """Ends its process at one sample."""

    def __call__(self, entry: SampleEntry) -> ShardSample:
        if entry[0] == 6:
            os.kill(os.getpid(), signal.SIGKILL)
        return ShardSample(*entry)


@pytest.mark.skipif(sys.platform == "win32", reason="kills by a signal")
def test_a_worker_that_is_killed_is_a_sentence(folder: Path) -> None:
    entries = list(enumerate(list_class_folder(folder).samples))
    engine = WorkerEngine(2)
    with pytest.raises(CodecError, match="was ended from outside"), engine.encoding(_Mortal(), entries) as results:
        list(results)


def test_entries_are_taken_a_few_ahead(folder: Path) -> None:
    listing, taken = list_class_folder(folder), []

    def entries() -> Iterator[SampleEntry]:
        for number in range(100):
            taken.append(number)
            yield number, listing.samples[number % 9]

    with WorkerEngine(2).encoding(SampleEncoder(listing, OPTIONS), entries()) as results:
        assert [next(results).number for _ in range(3)] == [0, 1, 2]
    assert len(taken) < 20


class _Echo:
    """Gives back what it gets, with more."""

    def __call__(self, entry: SampleEntry) -> ShardSample:
        return ShardSample(*entry, data=bytes(1 << 20))


def test_entries_and_results_larger_than_a_pipe_do_not_wait_for_each_other() -> None:
    sample = SourceSample("x" * 400_000, "train", 0)
    with WorkerEngine(2).encoding(_Echo(), [(number, sample) for number in range(24)]) as results:
        assert [result.number for result in results] == list(range(24))


def test_many_samples_get_workers_unless_threads_are_asked_for() -> None:
    assert usual_engine(10**6, 3, None) == WorkerEngine(3)
    assert usual_engine(3, 3, None) == WorkerEngine(3)
    assert usual_engine(10**6, None, 5) == ThreadEngine(5)
    assert usual_engine(3, None, None) == ThreadEngine(1)
    assert usual_engine(10**6, 1, None) == ThreadEngine(1)


@pytest.mark.parametrize("count", [0, 257, 1.0])
def test_counts_outside_their_range_are_sentences(count: int) -> None:
    with pytest.raises(CodecError, match="num_threads is"):
        ThreadEngine(count)
    with pytest.raises(CodecError, match="num_workers is"):
        WorkerEngine(count)
