"""What samples to be packed are kept in.

In reading order: `pack_source` (what the packer asks of any), `open_source` (which one a path is), `folder_contents`,
`path_patterns`; `stored_source` (what all but class folders have in common), `split_choice`, `row_targets`,
`sidecar_targets` and `mask_targets` (which targets a sample has); then the readers: `manifest_rows`, `manifest_columns`,
`manifest_files` and `manifest_source`, `tar_members` and `tar_source`, `zip_source`; `table_files`, `table_source` and
`table_places` (Arrow, Parquet); `plain_pickles`, `array_store`, `cifar_source` and `mnist_source`; `stored_pack` (packs,
whose files are copied).
"""
