"""What samples to be packed are kept in.

In reading order: `pack_source` (what the packer asks of any), `open_source` (which one a path is), `stored_source` (what
all but class folders have in common), `split_choice`, `row_targets` and `sidecar_targets` (which targets a sample has), then
one reader each: `manifest_rows`, `manifest_source`; `tar_members`, `tar_source`, `path_patterns`; `table_files`,
`table_source`, `table_places` (Arrow, Parquet); `plain_pickles`, `array_store`, `cifar_source`, `mnist_source`;
`zip_source`; `folder_contents`.
"""
