"""Networks on latents, or on pixels or samples for comparison, and what they learn.

In reading order: `learning_task` (what a task is), `task_catalog` and `network_catalog` (names of tasks and networks,
also of other packages; `timm_networks`); `train_options`, `inputs` and `item_parts` (what a network sees, and which
items are for what), `head_training` (the loop, for every task), `epoch_clock`, `devices`, `judged_items` and
`run_results` (what comes of it), `checkpoint` (the best network), `predictor` (a trained network for use), `comparison`
(results side by side).

Then the tasks, each in one file, with their networks: `classification` (`networks`, `band_networks`, `confusion_plot`);
`semantic_segmentation` (`map_networks`), `colorization` (`color_parts`); `line_reading` (`line_networks`,
`letter_sequences`); `listening` and `transcription` (`sound_networks` on `sound_bands`, `band_augmentation`), `separation`
(`separation_networks`, `sound_mixtures`, `latent_sounds`). `normalization` is for
several processes, `residual_block`, `dense_layers` and `seeded_weights` for several networks.
"""
