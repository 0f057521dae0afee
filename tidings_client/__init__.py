"""The Python client under the name that it has where it is installed alone (`pip install ./client`): `relay.client`."""

from relay.client import *  # noqa: F403
from relay.client import __all__ as __all__
