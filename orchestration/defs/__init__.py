"""Dagster's objects, one module per concept.

Not here: decisions. Each object calls a function of another package.
"""
