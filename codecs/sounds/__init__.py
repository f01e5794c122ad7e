"""Sounds without loss: `integer_samples` (float32 <-> the integers that they stand for), `prediction` (integers <-> what
their prediction misses), `stored_samples` (what cannot be predicted), `lossless_segment` (a stretch of all channels
<-> one segment), `lossless_encoder` and `lossless_decoder` (a sound <-> an .lcn file).
"""
