"""Writes docs/settings.md and docs/nips.md from the rows that define settings and NIPs.

Run it after changing a setting or a NIP: `.venv/bin/python docs/generate.py`; a test compares the files with the rows.
"""

from pathlib import Path

from relay.http.nips import CLIENT_SIDE, NIPS
from relay.http.reference import SettingsTable, settings

HERE = Path(__file__).parent

SETTINGS_HEAD = """\
# Settings

A setting has one name, `section.field`, and five places; the later wins:

1. its default,
2. `settings.toml` in the data directory, where the first start keeps what it was told on a terminal, written like the next,
3. the TOML file (`--config FILE` or `TIDINGS_CONFIG`): `[limits]` and below it `max_subscriptions = 50`,
4. the environment: `TIDINGS_LIMITS_MAX_SUBSCRIPTIONS=50` (lists with commas between, or as in the file),
5. the command line: `--set limits.max_subscriptions=50`.

An unknown name or a value that cannot be used stops the start and is named, with where it was set. `tidings config` prints the
values in force. Files are UTF-8, with or without a byte order mark; a relative path (`server.data`, `identities.jwt_keys`) is
looked for where the command runs.
Settings marked *live* change on SIGHUP; the others at the next start. What a limit does to clients is advertised in NIP-11
and on the relay's page. Peers stand in `[[peers]]`, see [federation.md](federation.md); which events are kept for how long in
`[[retention]]`, see [operating.md](operating.md#how-long-events-are-kept).
"""

NIPS_HEAD = """\
# NIPs

What Tidings implements, and what each means here. A running relay lists them at `/docs`, and in `supported_nips` (NIP-11)
those that ask something of relays: not {client_side}, which are between clients.

| NIP | title | here |
|---|---|---|
"""


def settings_page() -> str:
    """docs/settings.md."""
    return "\n".join([SETTINGS_HEAD, *map(_section, settings())])


def _section(group: SettingsTable) -> str:
    lines = [f"## `[{group.name}]`", "", group.about, ""]
    lines += ["| setting | default | live | meaning |", "|---|---|---|---|"]
    for row in group.rows:
        live = "live" if row.reloadable else ""
        lines.append(f"| `{row.name}`<br>`{row.variable}` | `{row.default}` | {live} | {_cell(row.help)} |")
    return "\n".join([*lines, ""])


def nips_page() -> str:
    """docs/nips.md."""
    rows = (f"| [{nip.name}]({nip.url}) | {_cell(nip.title)} | {_cell(nip.here)} |\n" for nip in NIPS.values())
    client_side = ", ".join(f"{number:02}" for number in sorted(CLIENT_SIDE))
    return NIPS_HEAD.format(client_side=client_side) + "".join(rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


PAGES = {"settings.md": settings_page, "nips.md": nips_page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")
