"""Our codec of an earlier commit, as a codec of this one: it runs in a process of the Python that has it installed."""

from __future__ import annotations

import io
import struct
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from laconic.codecs.errors import CodecError
from laconic.codecs.media import Image

# An ask is a byte, E or D, a length and so many bytes; an answer is a length and bytes. Errors end the process.
_CHILD = """
import io, struct, sys
import numpy as np
from laconic.codecs.media import Image
from laconic.codecs.registry import make_codec

codec = make_codec(sys.argv[1])
while head := sys.stdin.buffer.read(9):
    verb, size = head[:1], struct.unpack("<Q", head[1:])[0]
    data = sys.stdin.buffer.read(size)
    if verb == b"E":
        answer = codec.encode(Image(np.load(io.BytesIO(data))))
    else:
        file = io.BytesIO()
        np.save(file, codec.decode(data).samples)
        answer = file.getvalue()
    sys.stdout.buffer.write(struct.pack("<Q", len(answer)) + answer)
    sys.stdout.buffer.flush()
"""


@dataclass(frozen=True)
class Prior:
    """`spec` as `make_codec` of the package that `python` imports reads it. Raises `CodecError` where that process ends."""

    python: str
    spec: str

    name: ClassVar[str] = "prior"

    def encode(self, signal: Image) -> bytes:
        file = io.BytesIO()
        np.save(file, signal.samples)
        return self._answer(b"E", file.getvalue())

    def decode(self, data: bytes) -> Image:
        return Image(np.load(io.BytesIO(self._answer(b"D", data))))

    def _answer(self, verb: bytes, data: bytes) -> bytes:
        process = _process(self.python, self.spec)
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(verb + struct.pack("<Q", len(data)) + data)
        process.stdin.flush()
        head = process.stdout.read(8)
        if len(head) < 8:
            raise CodecError(f"the process of {self.python} for {self.spec} has ended; its errors are above")
        return process.stdout.read(struct.unpack("<Q", head)[0])


@lru_cache(maxsize=32)
def _process(python: str, spec: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([python, "-c", _CHILD, spec], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/")
