"""Look into one inbox without making a load."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import date

from orchestration.contracts.organizations import Organization
from orchestration.installation.clock import Clock, utc_now
from orchestration.installation.home import Home
from orchestration.intake import arriving, inbox
from orchestration.intake.inbox import SeenFiles
from orchestration.intake.settling import Sightings
from orchestration.landing.manifests import LandedFile, Look


def look_into(
    home: Home,
    organization: Organization,
    seen: SeenFiles,
    business_date: date,
    environment: Mapping[str, str],
    clock: Clock = utc_now,
) -> tuple[Look, list[LandedFile]]:
    """Check one inbox, and a second time if an upload may be in progress.

    Only the caller has the files: no later check remembers them.
    """
    sightings = Sightings(home, utc_now())
    looked = inbox.begin(home, organization, seen, business_date, environment, sightings, clock)
    if looked.unsettled:
        time.sleep(organization.quiet_seconds)
        inbox.settle(home, looked, environment)
    arriving.forget(looked.arriving)
    return looked.look(), looked.files
