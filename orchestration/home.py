"""`python -m orchestration.home` creates the home; installed systemd units use this name."""

import sys

from orchestration.installation.errors import ToldError
from orchestration.installation.home import Home

if __name__ == "__main__":
    # A server runs this before Dagster starts, which needs its folder and settings.
    try:
        Home.from_environment().create()
    except ToldError as error:
        sys.exit(f"saldo: {error}")
