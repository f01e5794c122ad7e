"""Media files of other formats.

`picture_files` (what Pillow opens and writes), `sound_files` (what libsndfile does), `row_files` (pictures read and written
some rows at a time, larger than memory), with `tiff_files` and `stored_blocks` (TIFF, as blocks of samples).
"""
