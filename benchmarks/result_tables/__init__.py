"""The tables of the benchmarks as Markdown: `cell_text`, a module for each field, then `headline` for the README."""
