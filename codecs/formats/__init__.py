"""Media files of other formats.

`picture_files` (what Pillow opens and writes), `row_files` (pictures read and written some rows at a time, larger than
memory), with `tiff_files` and `stored_blocks` (TIFF, as blocks of samples). `sound_files` (sounds that libsndfile reads):
`sound_parts` finds what is to be read of a file (`sample_sizes`: headers without a length; `ogg_links`: chained streams),
`libsndfile` reads it forward, with `c_messages` held back, and `sound_tags` what it says beside the samples (`wav_files`,
`vorbis_comments`). `sound_writer` (WAV and FLAC). Sounds are read and written by blocks. `spooled_files` (pipes).

`cube_files` (what is neither picture nor sound, as an array): `npy_files`, `mat_files`, `wfdb_files`, and `named_arrays`,
which one of several.
"""
