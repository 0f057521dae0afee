"""The verbs of the command line, one module a group; `relay.cli` lists them. They may import whatever `relay.cli` may."""

import sys

# httpx loads a command line of its own where there is rich: a sixth of what a verb takes to begin, and missed by nobody here.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
