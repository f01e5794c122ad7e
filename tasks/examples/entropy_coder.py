"""The entropy coder alone: an array of floats to bytes and back, under tables of your own; needs no torch.

python tasks/examples/entropy_coder.py
"""

import numpy as np

from laconic.entropy import TableSet, decode_array, encode_array, table_of_probabilities

STEP = 0.5


def main() -> None:
    values = np.arange(-40, 41)
    tables = TableSet(tuple(table_of_probabilities(values, np.exp(-abs(values) / scale)) for scale in (1, 2, 4)))
    latent = np.random.default_rng(0).laplace(0, 1, (192, 32, 48)).astype(np.float32)
    channels = np.full(192, 1, np.uint8)  # a table for each channel, or for each value
    packet = encode_array(latent, tables, channels, step=STEP)
    decoded = decode_array(packet, tables, channels, dtype=np.float32, step=STEP)  # flat: the shape is yours to keep
    print(f"{latent.size} values in {len(packet)} bytes: {8 * len(packet) / latent.size:.2f} bits each")
    print(f"the same values, in steps: {np.array_equal(decoded, np.round(latent / STEP).reshape(-1) * STEP)}")


if __name__ == "__main__":
    main()
