"""Puts the libraries of Iceberg and of its catalog where PySpark looks for them.

`make test-spark` calls it once, after PySpark is installed. They are asked for by coordinate, as
Spark does itself (`spark.jars.packages`), and must have the checksums written here.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from orchestration.installation.errors import ToldError
from orchestration.installation.spark import require_java

# Group, artifact, version, sha256.
JARS = (
    (
        "org.apache.iceberg",
        "iceberg-spark-runtime-4.1_2.13",
        "1.12.0",
        "3123c3798af642dd537230923548e013ef41cc28b6626e5225808cf5670a0f82",
    ),
    (
        "org.xerial",
        "sqlite-jdbc",
        "3.53.1.0",
        "28aceecfcc9535645bd19fa988385703c7b89982c1506a6855f5942b4032eca6",
    ),
)


class WrongJarError(ToldError):
    """A library has another checksum than the one written here."""


def install(folder: Path) -> None:
    """Download the libraries and put them into a folder.

    Args:
        folder: the `jars` of PySpark.

    Raises:
        NoSparkError: see require_java.
        WrongJarError: one has another checksum; nothing was put there.
        subprocess.CalledProcessError: they could not be downloaded; what Spark said is printed.

    """
    require_java()
    with tempfile.TemporaryDirectory() as scratch:
        coordinates = ",".join(":".join(jar[:3]) for jar in JARS)
        asked = subprocess.run(  # noqa: S603 (our own arguments)
            [sys.executable, "-c", _RESOLVE, coordinates, scratch],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if asked.returncode:
            sys.stderr.write(asked.stdout)
            asked.check_returncode()
        paths = [
            Path(scratch, "jars", f"{group}_{artifact}-{version}.jar")
            for group, artifact, version, _ in JARS
        ]
        for path, (*_, expected) in zip(paths, JARS, strict=True):
            require_checksum(path, expected)
        for path in paths:
            shutil.copyfile(path, folder / path.name)


def require_checksum(path: Path, expected: str) -> None:
    """Check that a library is the one that it should be.

    Args:
        path: the file.
        expected: its sha256.

    Raises:
        WrongJarError: it has another one.

    """
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected:
        raise WrongJarError(
            f"{path.name} has the sha256 {found}, not {expected}: not the pinned file"
        )


# A session that is ended at once: Spark downloads what it names before it begins.
_RESOLVE = """
import sys
from pyspark.sql import SparkSession
SparkSession.builder.master("local[1]").config("spark.jars.packages", sys.argv[1]).config(
    "spark.jars.ivy", sys.argv[2]
).config("spark.ui.enabled", "false").config("spark.log.level", "ERROR").getOrCreate().stop()
"""


def _main() -> None:
    import pyspark  # noqa: PLC0415

    try:
        install(Path(pyspark.__file__).parent / "jars")
    except ToldError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    _main()
