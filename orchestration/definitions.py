"""Saldo's Dagster definitions: assembly, nothing else."""

from dagster import Definitions, definitions, load_from_defs_folder

from orchestration.installation.home import PROJECT


@definitions
def defs() -> Definitions:
    """Load everything below `orchestration/defs`."""
    return load_from_defs_folder(path_within_project=PROJECT)
