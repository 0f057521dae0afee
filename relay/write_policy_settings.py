"""The settings of the write policy plugin (`[write_policy]`)."""

from typing import Annotated, Literal

from msgspec import Meta

from relay.setting_parts import LIVE, Section


class WritePolicySettings(Section, frozen=True):
    """A program of the operator's that decides which events are taken, by strfry's contract; see operating.md."""

    plugin: Annotated[
        str,
        Meta(
            description="command of the plugin, run by /bin/sh -c; without a space it is one file, and another version of that is "
            "started when it comes; empty: there is none",
            pattern="^([^ ]|$)",
            extra=LIVE,
        ),
    ] = ""
    timeout: Annotated[
        float, Meta(ge=0.1, le=600, description="seconds the plugin may take for an event", extra=LIVE)
    ] = 10.0
    on_failure: Annotated[
        Literal["reject", "accept"],
        Meta(
            description="what becomes of events while the plugin does not run, or does not answer in time", extra=LIVE
        ),
    ] = "reject"
