"""Saldo's orchestration: fetches files, loads them, calls dbt, delivers what dbt wrote."""

import gc
import os

# A start makes half a million objects that stay. Python would look through the newest of them for
# garbage every 700.
gc.set_threshold(100_000)

# Whatever Saldo's processes make, Dagster's and the dbt that they start among them, is for their
# own user alone: see `access.py`.
os.umask(0o077)
