"""What every test shares: reproducible examples in CI."""

import os

from hypothesis import settings

# A slow machine must not fail a property. In CI the same examples come each time.
settings.register_profile("laptop", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "laptop")
