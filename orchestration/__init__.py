"""Saldo's orchestration: fetches files, loads them, calls dbt, delivers what dbt wrote."""

import gc

# A start makes half a million objects that stay. Python would look through the newest of them for
# garbage every 700.
gc.set_threshold(100_000)
