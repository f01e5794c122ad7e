"""Networks on latents, or on pixels or samples for comparison, and what they learn.

In reading order: `inputs` (what a network sees), `networks`, `learning_task` (what a task is), `classification` (the first;
a new task is one file beside it), `augmentation`, `head_training` (the loop, for every task), `checkpoint` (the best
network), `predictor` (a trained classifier for use), `comparison` (results side by side).
"""
