"""Codecs that evaluate takes from elsewhere: of another package by its entry point, and WaLLoC by its weights."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from laconic.codecs.media import Audio, Image
from laconic.codecs.registry import available_codecs, make_codec
from laconic.tasks.mpq import Judgement, TaskSample, evaluate, operating_points

# A whole package of a codec, as one around NeuCodec would be: its rate is an option, its curve a class attribute.
PACKAGE = """
import struct
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from laconic.codecs.media import Audio
from laconic.entropy.errors import TruncatedError


@dataclass(frozen=True)
class NeuCodec:
    bandwidth: float = 6.0
    name: ClassVar[str] = "neucodec"
    usual_curves: ClassVar = {"sound": ("bandwidth=1.5|3|6|12",)}

    def encode(self, signal: Audio) -> bytes:
        head = struct.pack("<IHI", signal.sample_rate, *signal.samples.shape)
        num_kept = int(self.bandwidth * 1000 / 8 * signal.duration_seconds)
        return head + (signal.samples * 127).astype(np.int8).tobytes()[:num_kept]

    def decode(self, data: bytes) -> Audio:
        if len(data) < 10:
            raise TruncatedError(f"the file has {len(data)} bytes; allowed are 10 and more")
        rate, channels, length = struct.unpack_from("<IHI", data)
        samples = np.frombuffer(data[10:].ljust(channels * length, b"\\0"), np.int8)
        return Audio(samples.reshape(channels, length).astype(np.float32) / 127, rate)
"""

# In a process of its own, as a user would: nothing of it is known here.
PROGRAM = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_mpq_other_codecs import Loudness
from laconic.tasks.mpq import evaluate, operating_points
points = operating_points(["neucodec", "opus:compression_level=0.9"])
rows = evaluate([Loudness("sound")], points, Path(sys.argv[2]))
print(json.dumps([[row.codec, row.rate, row.error] for row in rows.values()]))
"""


@dataclass(frozen=True)
class Loudness:
    """Noise, which is judged by its energy."""

    kind: Any = "sound"
    name: ClassVar[str] = "loudness"
    title: ClassVar[str] = "Energy of noise"
    score_name: ClassVar[str] = "energy"
    higher_is_better: ClassVar[bool] = True

    def keys(self) -> list[str]:
        return ["0", "1"]

    def sample(self, key: str) -> TaskSample[Any]:
        rng = np.random.default_rng(int(key))
        if self.kind == "image":
            return TaskSample(key, Image(rng.integers(0, 256, (20, 30, 3), np.uint8)), None)
        return TaskSample(key, Audio(rng.uniform(-0.5, 0.5, (1, 16000)).astype(np.float32), 16000), None)

    def judge(self, sample: TaskSample[Any], decoded: Any) -> Judgement:
        return Judgement((float(np.square(decoded.samples.astype(float)).mean()), 1.0), "noise")

    def aggregate(self, totals: Any) -> Any:
        return totals[..., 0] / totals[..., 1]


def test_codec_of_another_package_is_found_and_evaluated(tmp_path: Path) -> None:
    (tmp_path / "laconic_neucodec.py").write_text(PACKAGE)
    info = tmp_path / "laconic_neucodec-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: laconic-neucodec\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[laconic.codecs]\nneucodec = laconic_neucodec:NeuCodec\n")
    arguments = [str(tmp_path), str(tmp_path / "rows.jsonl")]
    program = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n{PROGRAM}"
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert {error for _, _, error in rows} == {None}
    rates = {codec: rate for codec, rate, _ in rows if "NeuCodec" in codec}
    assert list(rates) == [f"NeuCodec(bandwidth={bandwidth})" for bandwidth in (1.5, 3.0, 6.0, 12.0)]
    assert list(rates.values()) == [pytest.approx(bandwidth + 0.08, abs=0.01) for bandwidth in (1.5, 3, 6, 12)]


def test_walloc_is_evaluated_by_the_weights_of_a_file(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from laconic.codecs.walloc.walloc_network import WallocConfig, WallocNetwork, save_walloc

    config = WallocConfig(latent_channels=12, width=64, layers_before=1, layers_after=1)
    for seed in (0, 1):
        torch.manual_seed(seed)
        save_walloc(WallocNetwork(config), tmp_path / f"{seed}.safetensors")
    assert "walloc" in available_codecs()
    assert make_codec("walloc:weights=a.safetensors,store=laconic").store == "laconic"
    points = operating_points([f"walloc:weights={tmp_path}/*.safetensors"])
    assert [(point.curve, set(point.kinds)) for point in points] == [("walloc", {"image"})] * 2
    rows = evaluate([Loudness("image")], points, tmp_path / "rows.jsonl").values()
    assert len(rows) == 6
    assert {row.error for row in rows} == {None}
    assert all(row.num_bytes > 21 for row in rows)
