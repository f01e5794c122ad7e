"""What is done with codecs: the command line, measurement, examples.

In reading order: `rate` (the only rate arithmetic, from bytes), `distortion` (how far a picture is from another),
`bdrate` (two curves as one number), `cli` (the `laconic` command: parsing and printing only), `examples` (short scripts
that run as they are). Nothing is imported here.
"""
