"""storage.identities.webhooks: kept, bounded, sealed with all other secrets, and gone with their identity."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from handlers import table
from storage.errors import StorageError
from storage.identities import decisions
from storage.identities.commands import AdoptSecret, Register, RotateSecret
from storage.identities.types import ChangeRefused, NewIdentity, Resealed, Why
from storage.identities.webhooks import (
    CHANGED,
    AddWebhook,
    NoteDelivery,
    RemoveWebhook,
    ResumeWebhook,
    Webhook,
)
from storage.sqlite import backend
from storage.sqlite.writing.writer import SqliteWriter

ALICE, BOB, NOW, CHECK = "a" * 32, "b" * 32, 1_700_000_000, "check"
HOOK = Webhook("1" * 32, ALICE, "https://agent.example/", b"sealed", NOW, 7)
FAILED = msgspec.structs.replace(
    HOOK, pending=9, failures=3, failing_since=NOW + 1, next_at=NOW + 99, problem="the answer was 500", ended_at=NOW + 2
)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[SqliteWriter]:
    opened = backend.open_writer(tmp_path, table.meaning("ws://relay.example"))
    for number, identity_id in enumerate((ALICE, BOB), 1):
        new = NewIdentity(
            id=identity_id,
            name=f"name{number}",
            description=None,
            token_id=f"{number}" * 32,
            token_hash=f"{number}" * 64,
            pubkey=f"{number}" * 64,
            ciphertext=b"key",
            claim_hash=f"{number + 2}" * 64,
            claim_expires_at=NOW + 1,
        )
        opened.execute(Register(new), NOW)
    opened.execute(AdoptSecret(CHECK), NOW)
    opened.collect()
    yield opened
    opened.close()


def add(writer: SqliteWriter, hook: Webhook = HOOK, most: int = 2, check: str = CHECK) -> None:
    writer.execute(AddWebhook(hook, most, check), NOW)


def numbered(number: int, identity_id: str = ALICE) -> Webhook:
    return msgspec.structs.replace(HOOK, id=f"{number:032}", identity_id=identity_id, created_at=NOW + number)


def test_a_webhook_is_kept_as_it_was_given_and_as_its_deliveries_went(writer: SqliteWriter) -> None:
    add(writer)
    assert writer.tables.webhooks(ALICE) == [HOOK]
    assert writer.tables.webhooks(BOB) == []
    writer.execute(NoteDelivery(FAILED), NOW)
    assert writer.tables.webhook(HOOK.id) == FAILED
    assert writer.tables.live_webhooks() == []
    writer.execute(ResumeWebhook(ALICE, HOOK.id), NOW)
    assert writer.tables.webhook(HOOK.id) == msgspec.structs.replace(HOOK, pending=9)
    assert [(one.id, one.identity_id, one.next_at) for one in writer.tables.live_webhooks()] == [(HOOK.id, ALICE, 0)]


def test_followers_hear_what_comes_and_goes_and_not_each_delivery(writer: SqliteWriter) -> None:
    add(writer)
    writer.execute(ResumeWebhook(ALICE, HOOK.id), NOW)
    writer.execute(RemoveWebhook(ALICE, HOOK.id), NOW)
    assert writer.collect().changes == [(CHANGED, HOOK.id)] * 3
    writer.execute(NoteDelivery(FAILED), NOW)
    assert writer.collect().is_nothing()
    assert writer.tables.webhook(HOOK.id) is None


def test_there_are_so_many_of_an_identity_and_of_all(writer: SqliteWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    add(writer, numbered(1))
    add(writer, numbered(2))
    with pytest.raises(ChangeRefused, match="at most 2 webhooks here") as refused:
        add(writer, numbered(3))
    assert refused.value.why is Why.TOO_MANY
    add(writer, numbered(3, BOB))
    monkeypatch.setattr(decisions, "MAX_WEBHOOKS", 3)
    with pytest.raises(ChangeRefused, match="as many webhooks as it takes"):
        add(writer, numbered(4, BOB))
    assert [one.id for one in writer.tables.webhooks(ALICE)] == [numbered(1).id, numbered(2).id]


@pytest.mark.parametrize("command", [RemoveWebhook, ResumeWebhook])
def test_nobody_changes_what_is_anothers(writer: SqliteWriter, command: type[RemoveWebhook | ResumeWebhook]) -> None:
    add(writer)
    with pytest.raises(ChangeRefused, match="no such webhook"):
        writer.execute(command(BOB, HOOK.id), NOW)
    assert writer.tables.webhooks(ALICE) == [HOOK]


def test_a_secret_sealed_under_a_former_master_secret_is_not_taken(writer: SqliteWriter) -> None:
    with pytest.raises(StorageError, match="has just been changed"):
        add(writer, check="former")
    add(writer)
    sealed = writer.tables.secrets()
    assert ("webhooks", "secret", HOOK.id, b"sealed") in sealed
    writer.execute(RotateSecret("next", [Resealed(*place, after=b"anew") for place in sealed]), NOW)
    assert writer.tables.webhooks(ALICE) == [msgspec.structs.replace(HOOK, secret=b"anew")]
