"""Networks on latents, or on pixels or samples for comparison.

In reading order: `inputs` (what a network sees), `networks`, `head_training` (the loop), `checkpoint`, `predictor` (a
trained network for use), `comparison` (results side by side).
"""
