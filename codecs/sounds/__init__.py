"""Sounds of any length, in the memory of some blocks: `sample_blocks` (samples that come by blocks, as often as they are
needed), `block_analysis` (blocks -> coefficients of stretches of the latent), `sound_encoder` (those -> an .lcn file),
`sound_part` (a file, or a stretch of it, -> blocks).
"""
