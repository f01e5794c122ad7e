"""Media files of other formats.

`picture_files` (what Pillow opens and writes), `sound_files` (what libsndfile does), `row_files` (pictures read and written
some rows at a time, larger than memory), with `tiff_files` and `stored_blocks` (TIFF, as blocks of samples). Of sounds,
`sound_parts` finds what is to be read of a file (`sample_sizes`: headers without a length; `ogg_links`: chained streams)
and `libsndfile` reads it forward, with `c_messages` held back.
"""
