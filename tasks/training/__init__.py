"""Training, with torch: what all trainings share, and that of codec parts.

In reading order: `tensor_files` (checkpoints), `summaries` (curves for TensorBoard), `optimizers`, `crops` (batches of
training crops), `recipes` (what can be learned of a codec), `codec_training` (the loop).
"""
