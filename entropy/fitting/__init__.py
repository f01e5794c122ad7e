"""Tables and contexts fitted to integers, numpy only.

In reading order: `table_fitting` (tables from histograms), `context_rules` (the rules of contexts over whole planes, for
counting), `sampled_places` (what weights are learned from), `context_fitting` (a `ContextModel`).
"""
