"""Pictures of any size <-> .lcn files, by rows, in part, with threads.

In reading order: `color_estimate` (what colours cost in other axes), `color_choice` (which pictures have colours of their
own), `picture_encoder`, `picture_search` (effort 3, with torch), `picture_decoder` (whole pictures, regions, scales),
`rendering` (integers -> samples, linear synthesis), `neural_rendering` (the same by a network, with torch), `graphics`
(drawn or photographed), `lanczos` (pictures resized).
"""
