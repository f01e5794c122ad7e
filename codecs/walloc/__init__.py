"""The published baseline for pictures: `walloc_network` (with torch) and `walloc_codec` (as a codec of files)."""
