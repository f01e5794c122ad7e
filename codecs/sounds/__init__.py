"""Sounds of any length, in the memory of some blocks: `sample_blocks` (samples that come by blocks, as often as they are
needed), `block_analysis` (blocks -> coefficients of stretches of the latent), `sound_encoder` (those -> an .lcn file),
`sound_part` (a file, or a stretch of it, -> blocks).

Without loss: `integer_samples` (float32 <-> the integers that they stand for), `prediction` (integers <-> what their
prediction misses), `stored_samples` (what cannot be predicted), `lossless_segment` (a stretch of all channels <-> one
segment), `lossless_encoder` and `lossless_decoder` (a sound <-> an .lcn file).
"""
