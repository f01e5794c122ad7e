"""Training, with torch: what all trainings share, and that of codec parts.

In reading order: `runs` (folder, schedule, checkpoint and curve of every run), `run_names`, `processes` (those that share a
run), `tensor_files`, `summaries` (curves for TensorBoard), `optimizers`, `crops` (batches of training crops), `recipes`
(what can be learned of a codec), `codec_training` (the loop), `context_pictures` and `context_training` (the recipe that
has its own).
"""
