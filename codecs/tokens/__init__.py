"""Speech <-> integer tokens, at 0.9 to 2.6 kbit/s, the same on every machine.

In reading order: `speech_samples` (any sound -> integers at 16 kHz), `band_logs` (how loud bands are, in integers, of the
blocks of our latents), `pitch_classes` (how high a voice is), `code_search` (vectors -> codes of residual stages),
`token_model` (all tables, in one file), `voice_source` (what a voice would be without its bands), `band_filter` (that, with
bands as loud as asked for), `speech_tokens` (the interface), `token_files` (tokens <-> .npy and .json files),
`token_fitting` (a model of recordings).
"""
