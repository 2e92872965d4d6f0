"""Saldo's orchestration: fetch files, load them, call dbt, deliver what dbt wrote."""

import gc
import os

# Importing creates half a million objects that stay. By default, Python would scan the newest for
# garbage after every 700.
gc.set_threshold(100_000)

# In `.env`, what is empty is not set.
for name in [name for name, value in os.environ.items() if name.startswith("SALDO_") and not value]:
    del os.environ[name]

# Only the own user may read the files of Saldo's processes, including Dagster and the dbt that they
# start: see `access.py`.
os.umask(0o077)
