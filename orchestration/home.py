"""`python -m orchestration.home` creates the home; installed systemd units use this name."""

from orchestration.installation.home import Home

if __name__ == "__main__":
    # A server runs this before Dagster starts, which needs its folder and settings.
    Home.from_environment().create()
