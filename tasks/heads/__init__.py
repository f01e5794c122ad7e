"""Networks on latents, or on pixels or samples for comparison, and what they learn.

In reading order: `learning_task` (what a task is), `classification` (the first; a new task is one file beside it, with
`confusion_plot` for its drawing), `task_catalog` and `network_catalog` (names of tasks and networks, also of other
packages; `timm_networks`), `networks`, `normalization` (for several processes); `train_options`, `inputs` and `item_parts`
(what a network sees, and which items are for what), `head_training` (the loop, for every task), `epoch_clock`, `devices`,
`judged_items` and `run_results` (what comes of it), `checkpoint` (the best network), `predictor` (a trained network for
use), `comparison` (results side by side).
"""
