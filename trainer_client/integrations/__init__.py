"""The selector inside trainers: one module a framework; each imports its framework, so none is imported here."""
