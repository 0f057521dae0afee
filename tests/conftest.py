"""What holds for every test.

Property tests draw the same examples in every run, so that a red run speaks of the change and not of the dice; look for
new ones with `HYPOTHESIS_PROFILE=explore make test`. No example is too slow: machines are shared.
"""

import os

from hypothesis import settings

settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))
