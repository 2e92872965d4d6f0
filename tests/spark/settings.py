"""What profiles.yml sets of each session of Spark, and other values for it."""

from __future__ import annotations

import yaml
from jinja2 import Template

from orchestration.installation.home import PROJECT, Home

_CATALOG = "spark.sql.catalog."
# By what decides on results, another value, which a server may have.
OTHERS = {
    "spark.sql.constraintPropagation.enabled": "true",
    "spark.sql.session.timeZone": "America/Santiago",
    "spark.sql.parquet.outputTimestampType": "INT96",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.caseSensitive": "true",
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",
    "spark.sql.legacy.timeParserPolicy": "LEGACY",
    "spark.sql.parquet.datetimeRebaseModeInRead": "LEGACY",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "LEGACY",
    "spark.sql.parquet.int96RebaseModeInRead": "LEGACY",
    "spark.sql.parquet.int96RebaseModeInWrite": "LEGACY",
    "spark.sql.storeAssignmentPolicy": "LEGACY",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.files.ignoreCorruptFiles": "true",
    "spark.sql.files.ignoreMissingFiles": "true",
    "spark.sql.defaultCatalog": "spark_catalog",
}


def of_each_session(home: Home) -> dict[str, str]:
    """What both targets set, here and on a cluster: all of it but the catalog has another value."""
    text = (PROJECT / "profiles.yml").read_text("utf-8")
    variables = {"SALDO_HOME": str(home.root)}
    targets = yaml.safe_load(Template(text).render(env_var=variables.get))["saldo"]["outputs"]
    here, there = (
        targets[each]["server_side_parameters"].items() for each in ("spark", "spark_connect")
    )
    settings = dict(here & there)
    assert {name for name in settings if not name.startswith(_CATALOG)} == OTHERS.keys()
    return settings
