"""Latents <-> .lcn files (SPEC.md, sections 5 and 6).

In reading order: `layout` (tiles and channel groups), `packer` (latent -> file), `latent_header` (its head),
`segment_reader` (segments by number), `unpacker` (file -> latent, all or part of it), `latent_batch` (the values of
many small pictures at once).
"""
