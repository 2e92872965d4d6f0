"""Dagster's objects, one module per concept; what they do stands beside this folder.

Not here: decisions. Each object calls a function of another package.
"""
