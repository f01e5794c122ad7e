"""What is learned of signals, and where it is found.

In reading order: `packet_tree` (which wavelet packets), `fixed_point` (the integer map of the transform), `low_levels`
(further levels of a picture's lowest channels), `low_bounds` (how large their coefficients are), `model` (all that encoder
and decoder must agree on, in one file), `turned_colors` (a model in the colours of one file), `zoo` (shipped models by name
or fingerprint, own ones by path), `latent_axes` and `model_bridge` (a latent of one model as that of another),
`neural_synthesis` (with torch: the network that repairs coefficients). The shipped models lie here, see README.md; networks
of their neural synthesis in `synthesis/`.
"""
