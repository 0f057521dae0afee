"""Writes openapi.json, or the file that is named, which the types are generated from: the API as this tree describes it."""

import asyncio
import sys
from pathlib import Path

import msgspec

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from relay.http.api.description import Description  # noqa: E402
from relay.http.app import DEPENDENCIES  # noqa: E402
from relay.http.routes import ROUTES  # noqa: E402

if __name__ == "__main__":
    document = asyncio.run(Description(ROUTES, DEPENDENCIES).document())
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "openapi.json"
    file.write_bytes(msgspec.json.encode(document))
