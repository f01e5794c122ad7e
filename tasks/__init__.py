"""What is done with codecs: datasets, training, machine quality, the command line.

The folders, in reading order: `measures` (rate, distortion, two curves as one number); `datasets` (class folders -> shards
of .lcn -> tensors, never pixels); `training` (learned parts of codecs, and what all trainings share); `heads` (networks on
latents and on pixels); `mpq` (machine perceptual quality); `cli` (the `laconic` command: parsing and printing only);
`examples` (short scripts that run as they are). Nothing is imported here.
"""
