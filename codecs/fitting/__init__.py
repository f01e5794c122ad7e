"""A model of your own signals in closed form, no torch needed: `training_signals` (what it is fitted to),
`principal_axes` (the projection), `closed_form`; `residual_tables`, of lossless sounds. With torch, one of profile
best: `subband_axes` (the transform), `subband_start` (what a fit starts from), `subband_tables` (tables of counts),
`subband_samples` (symbols of pictures), `subband_later_costs`, `subband_fitting`. With torch, a tuning by a score:
`tuning_trials` (bytes at equal score), `score_tuning`."""
