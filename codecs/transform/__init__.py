"""Signals <-> coefficients <-> integers.

In reading order: `wavelet` (packets), `extrapolation` (how lines go on past their ends), `projection` (packets <->
coefficients), `quantizer` (coefficients -> integers), `rate_distortion` (which integers are worth their bits),
`lost_noise` (how loud what a sound's zeros lose is, and in `kept_levels`, which levels a file says), `picture_rows`
(pictures, some rows at a time), `signals` (whole signals of every kind), `transparency` (what alpha hides).
"""
