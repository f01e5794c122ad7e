"""What is done with codecs: datasets, training, machine quality, the command line.

In reading order: `rate` (the only rate arithmetic, from bytes), `distortion` and `sound_distortion` (how far a signal is
from another), `bdrate` (two curves as one number); `folders`, `packindex`, `archive` (class folders -> shards of .lcn),
`latents` (shards -> tensors, never pixels), `arms`, `heads`, `train`, `checkpoint`, `predictor`, `comparison` (small
networks on latents and on pixels); `recipes`, `crops`, `codec_training`, `optimizers` (learned parts of codecs, one
loop for all), `tensor_files` and `summaries` (checkpoints and curves of both); `mpq` (machine perceptual quality);
`cli` (the `laconic` command: parsing and printing only); `examples` (short scripts that run as they are). Nothing is
imported here.
"""
