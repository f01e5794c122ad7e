"""Signals <-> coefficients <-> integers.

In reading order: `wavelet` (packets), `mdct` (in their place, of sounds), `extrapolation` (how lines go on past their
ends), `projection` (packets <-> coefficients), `quantizer` (coefficients -> integers), `rate_distortion` (which integers
are worth their bits), `band_levels` (how loud the bands of a sound are, and in `kept_levels`, which levels a file says),
`picture_rows` (pictures, some rows at a time), `signals` (whole signals of every kind), `transparency` (what alpha hides).
"""
