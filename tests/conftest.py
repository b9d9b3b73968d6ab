"""What every test stands on: hypothesis settings that repeat themselves in CI."""

import os

from hypothesis import HealthCheck, settings

# Two slow cores shared with other work make any single example slow now and then; that says nothing about the code.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("here"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")
