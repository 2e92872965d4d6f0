"""The profile: what dbt's connections to the warehouse are set to."""

from pathlib import Path

import yaml
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.environments import create
from jinja2 import Template

from orchestration.installation.home import PROJECT

_SPILLS = """
create temp table sorted as
select hash(range)::varchar || hash(range + 1)::varchar as text
from range(2_000_000) order by text
"""


def test_a_connection_opens_after_another_one_has_spilled(tmp_path: Path) -> None:
    variables = {"SALDO_HOME": str(tmp_path), "SALDO_MEMORY_LIMIT": "64MB"}
    profile = yaml.safe_load(
        Template((PROJECT / "profiles.yml").read_text()).render(env_var=variables.get)
    )
    warehouse = create(DuckDBCredentials.from_dict(profile["saldo"]["outputs"]["prod"]))
    first = warehouse.handle()
    first.cursor().execute(_SPILLS)
    assert any((tmp_path / "tmp").iterdir())
    second = warehouse.handle().cursor()
    second.execute(
        "select current_setting('TimeZone'), current_setting('temp_directory'),"
        " current_setting('memory_limit'), current_setting('autoinstall_known_extensions')"
    )
    assert second.fetchone() == ("UTC", str(tmp_path / "tmp"), "61.0 MiB", False)
