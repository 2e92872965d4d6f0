"""Dagster's objects, one module per concept; what they do stands beside this folder."""
