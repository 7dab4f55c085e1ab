"""The memory of training jobs over REST: in plans, and with each job beside what it took."""

import pytest

pytestmark = pytest.mark.anyio
