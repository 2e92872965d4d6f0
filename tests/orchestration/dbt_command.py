"""dbt's command line as Saldo starts it. Not a test: forking.py runs it."""

import atexit
import gc

from dbt.cli.main import cli

if __name__ == "__main__":
    gc.disable()
    atexit.register(gc.freeze)
    cli(prog_name="dbt")
