"""What can be packed: sources of labelled signals.

In reading order: `pack_source` (the interface, and one sample). Class folders (`datasets.class_folders`) are one.
"""
