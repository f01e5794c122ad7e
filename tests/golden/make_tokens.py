"""Writes `tokens.json`: the speech tokens of a small made-up voice, which must be the same on every machine.

    python tests/golden/make_tokens.py

To be run only where tokens are meant to change; the change log says so in the same commit.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from laconic.codecs.media import Audio
from laconic.codecs.tokens.speech_tokens import SpeechTokens
from laconic.codecs.tokens.token_model import load_token_model

PATH = Path(__file__).with_name("tokens.json")
RATES = (16_000, 22_050)
_NOISE = 6364136223846793005


def voice(rate: int = 16_000) -> Audio:
    """0.6 seconds, in whole numbers: pulses of a falling pitch through a resonance, then noise, then next to nothing."""
    length = rate * 6 // 10
    out = np.zeros(length, np.int64)
    state, phase, one, two = 1, 0, 0, 0
    for t in range(length):
        state = (state * _NOISE + 1442695040888963407) % (1 << 64)
        hiss = (state >> 48) - (1 << 15)
        phase += 180 - 80 * t // length
        push = 20_000 if phase >= rate else 0
        phase %= rate
        if 5 * t >= 3 * length:
            push = hiss >> 4 if 5 * t < 4 * length else hiss >> 14
        one, two = push + (110 * one - 56 * two) // 64, one
        out[t] = one
    return Audio.from_array(out.clip(-30_000, 30_000).astype(np.int16), rate)


def main() -> None:
    codec = SpeechTokens()
    found = {str(rate): codec.encode(voice(rate)).tolist() for rate in RATES}
    PATH.write_text(json.dumps({"model": load_token_model(codec.model).fingerprint.hex(), "tokens": found}) + "\n")


if __name__ == "__main__":
    main()
