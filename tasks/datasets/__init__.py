"""Folders of signals, and packs of latents made of them.

In reading order: `framing` (signals at one size), `splits` (which folders are splits), `targets` (what stands beside a
signal), `sources/` (what can be packed), `class_folders` (labelled folders), `sample_encoder` (one sample),
`archive` (`pack`: a source -> shards of .lcn files and an index), `shard_writer`, `pack_index` (the index), `latents`
(`LatentDataset`: shards -> tensors, never pixels).
"""
