"""Dagster's objects, one module per concept.

Not here: decisions. Each object calls a function of another package.
"""

import sys

# dagster-dbt imports half of dbt for its types, and has types of its own where it finds no dbt.
# Nothing here calls dbt's functions: dbt is a process of its own.
_DBT = "dbt.version"
if _DBT not in sys.modules:
    sys.modules[_DBT] = None  # type: ignore[assignment] # a module that cannot be imported
    try:
        import dagster_dbt  # noqa: F401
    finally:
        del sys.modules[_DBT]
