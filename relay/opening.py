"""The data directory opened as the settings say: its database, for writing and for reading, and the relay's secrets."""

import logging
import time
from functools import partial
from pathlib import Path
from typing import Final

from handlers import table
from keys import vault
from keys.vault import Vault, VaultError
from relay.config import Config
from relay.protocol import chunks, kinds
from relay.protocol.chunks import Cutting
from relay.protocol.relay import GroupRules
from relay.retention_settings import rules_of
from relay.roles.page import SharedPage
from relay.setting_parts import ConfigError
from storage.access import EndCodes
from storage.base import PrimaryWriter
from storage.commands import DropForeign, SetRetention
from storage.identities.commands import AdoptSecret, RotateSecret
from storage.sqlite import backend
from storage.sqlite.tools import SqliteStore
from storage.sqlite.writing.writer import SqliteWriter

WRITERS_SHARE: Final = 4  # the part of `storage.cache_mib` that the writer has: a quarter

log = logging.getLogger("tidings")


def relay_url(config: Config, reached_at: str = "") -> str:
    """The relay's public URL: the setting, or where its socket is reached."""
    return config.relay.url or reached_at or f"ws://{config.server.listen}"


def open_writer(config: Config, url: str = "", *, is_locked: bool = False, was_there: bool = False) -> SqliteWriter:
    """The writer of the configured data directory. Raises StorageError, Locked when another process has it.

    `is_locked`: the caller has locked the directory itself. A database that `was_there` is not made again.
    """
    writer = backend.open_writer(
        Path(config.server.data),
        table.meaning(
            relay_url(config, url),
            provision=config.identities.unbound == "provision",
            provisions_per_hour=config.identities.provisions_per_hour,
            searched=cutting(config).searched,
            knowledge=frozenset(config.search.knowledge_kinds),
            chunks_per_key=config.search.chunks_per_key,
            groups=group_rules(config),
            passages=partial(chunks.number, cutting(config)),
            provision_peers=config.federation.provision,
        ),
        synchronous=config.storage.synchronous,
        cache_mib=max(1, config.storage.cache_mib // WRITERS_SHARE),
        is_locked=is_locked,
        was_there=was_there,
        votes=config.identities.votes,
        cutting=cutting(config),
        operators=group_rules(config).operators,
    )
    try:
        if config.retention:
            writer.execute(SetRetention(rules_of(config.retention)), int(time.time()))
        if config.access.denied_keys:
            writer.execute(EndCodes(config.access.denied_keys), int(time.time()))
    except BaseException:
        writer.close()
        raise
    return writer


def cutting(config: Config) -> Cutting:
    """What is searched and how it is cut."""
    settings = config.search
    knowledge = tuple(sorted(set(settings.knowledge_kinds)))
    return Cutting(tuple(sorted(set(settings.kinds))), knowledge, settings.chunk_size, settings.chunk_overlap)


def group_rules(config: Config) -> GroupRules:
    """What groups may be here. The operator is who `relay.pubkey` names, too."""
    settings = config.groups
    fields = {name: getattr(settings, name) for name in GroupRules.__struct_fields__ if name != "operators"}
    return GroupRules(operators=frozenset(filter(None, (*settings.operators, config.relay.pubkey))), **fields)


async def open_reader(config: Config, processes: int = 1, page: SharedPage | None = None) -> SqliteStore:
    """A reader of the configured data directory, which a writer has made, one of so many processes'. Raises StorageError.

    With the `page` of the relay that is running, it need not look up what stands there.
    """
    left = config.storage.cache_mib - config.storage.cache_mib // WRITERS_SHARE
    return await backend.open_reader(
        Path(config.server.data),
        readers=config.storage.readers,
        cache_mib=max(1, left // (processes * (config.storage.readers + 1))),  # the loop's connection is one more
        query_steps=config.storage.query_steps,
        moving=None if page is None else lambda: page.moving,
    )


def open_vault(config: Config, writer: PrimaryWriter) -> Vault:
    """The relay's secrets, made at the first start. Raises ConfigError when they are lost, changed or malformed."""
    recorded = writer.tables.secret_check()
    found = unlock(config, recorded)
    if recorded is None:
        writer.execute(AdoptSecret(found.custody.check), int(time.time()))
    return found


def unlock(config: Config, recorded: str | None) -> Vault:
    """The relay's secrets, where the database was sealed under the one with the check `recorded`. Raises ConfigError."""
    settings = config.identities
    try:
        return vault.unlock(Path(config.server.data), settings.relay_key, settings.master_secret, recorded)
    except VaultError as error:
        raise ConfigError(str(error)) from None


def prepare_writer(config: Config, writer: SqliteWriter) -> Vault:
    """What a writer needs beside its database: the relay's key. What only that key publishes and others had stored, goes."""
    secrets = open_vault(config, writer)
    writer.hand_signer(secrets)
    dropped = writer.execute(DropForeign(list(kinds.RELAY_ONLY), secrets.pubkey), int(time.time()))
    if dropped:
        log.warning("removed %d events of kinds that only the relay's own key publishes, by other keys", dropped)
    return secrets


def open_keyed_writer(config: Config) -> SqliteWriter:
    """As `open_writer`, with the relay's own key where there is one already: without it no group begins. Raises ConfigError too."""
    writer = open_writer(config)
    try:
        if vault.relay_pubkey(Path(config.server.data), config.identities.relay_key):
            prepare_writer(config, writer)
    except BaseException:
        writer.close()
        raise
    return writer


def rotate_master(config: Config, following: str) -> int:
    """Seal what is held for others under another master secret, where no server runs; how many values that were.

    `following` is 64 hex digits, or "" for a fresh secret. Raises ConfigError, StorageError.
    """
    writer = open_writer(config)
    try:
        secrets = open_vault(config, writer)
        custody = vault.begin_rotation(secrets, following)
        resealed = secrets.custody.resealed(custody, writer.tables.secrets())
        count = writer.execute(RotateSecret(custody.check, resealed), int(time.time()))
        vault.finish_rotation(secrets, custody)
        return count
    except VaultError as error:
        raise ConfigError(str(error)) from None
    finally:
        writer.close()
