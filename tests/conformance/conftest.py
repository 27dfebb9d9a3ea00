"""Makes pytest explain the asserts of the published suite as it explains those of a test file."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("fairlead.testing.conformance")
