"""Does a recogniser still understand? PocketSphinx on AN4 (spelled words, numbers, dates): word error rate.

The acoustic model is the one of the pocketsphinx package; the words are those of AN4's dictionary; the language model
is a bigram counted from the training transcripts. With the package's general language model every word is wrong.
"""

from __future__ import annotations

import itertools
import math
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import MissingDependencyError
from laconic.codecs.form import MediaKind
from laconic.codecs.media import Audio
from laconic.tasks.measures.text_errors import edit_distance
from laconic.tasks.mpq.protocol import Judgement, TaskSample
from laconic.tasks.mpq.sounds import mono_at, read_bare, read_transcripts

if TYPE_CHECKING:
    from jaxtyping import Float, Num

_FOLDER = "an4"
_SAMPLE_RATE_HZ = 16_000
_DISCOUNT = 0.5  # of each seen pair, given to the unseen ones
_START, _END = "<s>", "</s>"


@dataclass(frozen=True)
class Speech:
    """Utterances of `data`/an4/`split`. Counts are the word errors and the words said; a score may exceed 1."""

    data: Path
    split: str = "test"

    name: ClassVar[str] = "speech"
    kind: ClassVar[MediaKind] = "sound"
    score_name: ClassVar[str] = "word error rate"
    higher_is_better: ClassVar[bool] = False
    title: ClassVar[str] = "AN4 utterances (16 kHz), PocketSphinx, AN4's dictionary and a bigram of its training texts"

    def keys(self) -> Sequence[str]:
        return list(read_transcripts(self.data / _FOLDER / self.split))

    def sample(self, key: str) -> TaskSample[Audio]:
        folder = self.data / _FOLDER / self.split
        return TaskSample(key, read_bare(folder / key), read_transcripts(folder)[key])

    def judge(self, sample: TaskSample[Audio], decoded: Audio) -> Judgement:
        heard = _recognized(self.data / _FOLDER, mono_at(decoded, _SAMPLE_RATE_HZ))
        said = sample.label.split()
        errors = edit_distance(said, heard.split())
        return Judgement((float(errors), float(len(said))), heard, errors / max(len(said), 1))

    def aggregate(self, totals: Num[NDArray[Any], "*n k"]) -> Float[NDArray[Any], "*n"]:
        return np.asarray(totals[..., 0] / totals[..., 1])


def bigram_model(sentences: Sequence[Sequence[str]], words: Sequence[str]) -> str:
    """A bigram language model over `words` in ARPA format: absolute discounting, backed off to add-one unigrams.

    Source: Ney, Essen, Kneser, "On structuring probabilistic dependences in stochastic language modelling", 1994.
    """
    padded = [[_START, *sentence, _END] for sentence in sentences]
    singles = Counter(word for sentence in padded for word in sentence[1:])
    pairs = Counter(pair for sentence in padded for pair in itertools.pairwise(sentence))
    vocabulary = [*words, _END]
    total = sum(singles.values()) + len(vocabulary)
    unigram = {word: (singles[word] + 1) / total for word in vocabulary}
    followers: dict[str, list[str]] = {}
    for first, second in pairs:
        followers.setdefault(first, []).append(second)
    counts = {first: sum(pairs[first, second] for second in seconds) for first, seconds in followers.items()}
    backoff = {
        first: _DISCOUNT * len(seconds) / counts[first] / (1 - sum(unigram[second] for second in seconds))
        for first, seconds in followers.items()
    }
    lines = ["\\data\\", f"ngram 1={len(vocabulary) + 1}", f"ngram 2={len(pairs)}", "", "\\1-grams:"]
    lines += [f"-99 {_START} {math.log10(backoff[_START]):.4f}"]
    lines += [f"{math.log10(unigram[word]):.4f} {word} {math.log10(backoff.get(word, 1.0)):.4f}" for word in vocabulary]
    lines += ["", "\\2-grams:"]
    lines += [
        f"{math.log10((count - _DISCOUNT) / counts[first]):.4f} {first} {second}"
        for (first, second), count in sorted(pairs.items())
    ]
    return "\n".join([*lines, "", "\\end\\", ""])


def _recognized(folder: Path, samples: NDArray[np.float32]) -> str:
    """Words in upper case. A new decoder for each utterance: a used one carries noise estimates over to the next."""
    try:
        from pocketsphinx import Decoder
    except ImportError as err:
        raise MissingDependencyError(
            f"pocketsphinx cannot be imported ({err}); install it: pip install pocketsphinx"
        ) from err
    with tempfile.NamedTemporaryFile("w", suffix=".arpa") as file:
        file.write(_language_model(folder))
        file.flush()
        decoder = Decoder(dict=str(folder / "an4.dic"), lm=file.name, cmn="batch", loglevel="FATAL")
    decoder.start_utt()
    integers = np.clip(np.rint(samples * 32768), -32768, 32767).astype("<i2")
    decoder.process_raw(integers.tobytes(), full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    return hypothesis.hypstr.upper() if hypothesis is not None else ""


@lru_cache(maxsize=2)
def _language_model(folder: Path) -> str:
    sentences = [text.split() for text in read_transcripts(folder / "train").values()]
    entries = (folder / "an4.dic").read_text().splitlines()
    words = sorted({entry.split()[0].split("(")[0] for entry in entries if entry.strip()})
    return bigram_model(sentences, words)
