"""`python -m orchestration.home` makes the home: systemd units of installations name it so."""

from orchestration.installation.home import Home

if __name__ == "__main__":
    # What a server does before Dagster starts, which wants its folder and its settings there.
    Home.from_environment().create()
