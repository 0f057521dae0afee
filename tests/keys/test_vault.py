"""keys.vault: where the relay's secrets come from, and that a lost or changed one stops the start."""

from pathlib import Path

import pytest

from keys import vault
from keys.custody import Custody
from keys.vault import FILE, Vault, VaultError

A, B = "aa" * 32, "bb" * 32


def unlock(directory: Path, recorded: str | None = None, relay_key: str = "", master: str = "") -> Vault:
    return vault.unlock(directory, relay_key, master, recorded)


def test_the_first_start_makes_a_file_for_its_owner_only(tmp_path: Path) -> None:
    first = unlock(tmp_path)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    again = unlock(tmp_path, first.custody.check)
    assert again.pubkey == first.pubkey
    assert again.custody.check == first.custody.check


def test_a_byte_order_mark_before_the_secrets_is_nothing(tmp_path: Path) -> None:
    first = unlock(tmp_path)
    (tmp_path / FILE).write_bytes(b"\xef\xbb\xbf" + (tmp_path / FILE).read_bytes())
    assert unlock(tmp_path, first.custody.check).pubkey == first.pubkey


def test_two_relays_have_different_secrets(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert unlock(tmp_path / "a").pubkey != unlock(tmp_path / "b").pubkey


def test_settings_come_before_the_file_and_leave_nothing_in_it(tmp_path: Path) -> None:
    opened = unlock(tmp_path, relay_key=A, master=B)
    assert opened.secret == bytes.fromhex(A)
    assert opened.custody.check == Custody(bytes.fromhex(B)).check
    assert not (tmp_path / FILE).exists()


def test_a_lost_master_secret_stops_the_start_and_makes_no_new_one(tmp_path: Path) -> None:
    recorded = unlock(tmp_path).custody.check
    (tmp_path / FILE).unlink()
    with pytest.raises(VaultError, match=r"the master secret is lost: .* gone for good, `tidings export`"):
        unlock(tmp_path, recorded)
    assert not (tmp_path / FILE).exists()


def test_a_changed_master_secret_stops_the_start_and_is_not_repeated(tmp_path: Path) -> None:
    recorded = unlock(tmp_path).custody.check
    with pytest.raises(VaultError, match="is not the one") as error:
        unlock(tmp_path, recorded, master=B)
    assert B not in str(error.value)


def test_a_file_that_others_can_read_stops_the_start(tmp_path: Path) -> None:
    unlock(tmp_path)
    (tmp_path / FILE).chmod(0o640)
    with pytest.raises(VaultError, match="chmod 600"):
        unlock(tmp_path)


@pytest.mark.parametrize(
    "content",
    ["master_secret = 5", "other = 'x'", "not toml", "master_secret = 'zz'", f'relay_secret_key = "{"0" * 64}"'],
)
def test_a_malformed_file_stops_the_start(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    (tmp_path / FILE).chmod(0o600)
    with pytest.raises(VaultError):
        unlock(tmp_path)


def test_what_is_no_secret_key_is_named_by_where_it_stands(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match=r"^identities\.relay_key is no secret key"):
        vault.unlock(tmp_path, "0" * 64, "", None)
    (tmp_path / FILE).write_text(f'relay_secret_key = "{"f" * 64}"')
    (tmp_path / FILE).chmod(0o600)
    with pytest.raises(VaultError, match=rf"^{tmp_path / FILE}: relay_secret_key is no secret key"):
        vault.relay_pubkey(tmp_path, "")


def test_a_rotation_that_finishes_leaves_the_next_secret_alone(tmp_path: Path) -> None:
    opened = unlock(tmp_path)
    before = opened.custody.check
    following = vault.begin_rotation(opened, "")
    vault.finish_rotation(opened, following)
    assert opened.custody.check == following.check != before
    assert unlock(tmp_path, following.check).custody.check == following.check
    with pytest.raises(VaultError):
        unlock(tmp_path, before)


@pytest.mark.parametrize("database_is_done", [False, True])
def test_a_rotation_that_is_cut_short_opens_with_whichever_the_database_has(
    tmp_path: Path, database_is_done: bool
) -> None:
    opened = unlock(tmp_path)
    following = vault.begin_rotation(opened, B)
    recorded = following.check if database_is_done else opened.custody.check
    assert unlock(tmp_path, recorded).custody.check == recorded
    assert (B in (tmp_path / vault.FILE).read_text()) == database_is_done  # the other one is gone from the file
    assert "next_master_secret" not in (tmp_path / vault.FILE).read_text()
    assert unlock(tmp_path, recorded).custody.check == recorded


def test_a_secret_from_the_settings_is_rotated_to_one_that_is_given(tmp_path: Path) -> None:
    opened = unlock(tmp_path, relay_key=A, master=A)
    with pytest.raises(VaultError, match="--new-secret-file"):
        vault.begin_rotation(opened, "")
    with pytest.raises(VaultError, match="is the present one"):
        vault.begin_rotation(opened, A)
    following = vault.begin_rotation(opened, B)
    vault.finish_rotation(opened, following)
    assert not (tmp_path / FILE).exists()
    assert unlock(tmp_path, following.check, relay_key=A, master=B).custody.check == following.check


def test_its_text_form_holds_no_secret(tmp_path: Path) -> None:
    opened = unlock(tmp_path, relay_key=A, master=B)
    assert A not in repr(opened)
    assert B not in repr(opened)


def test_the_relays_key_is_known_without_opening_the_vault(tmp_path: Path) -> None:
    assert vault.relay_pubkey(tmp_path, "") == ""
    assert not any(tmp_path.iterdir())
    assert vault.relay_pubkey(tmp_path, A) == unlock(tmp_path / "other", relay_key=A, master=B).pubkey
    assert vault.relay_pubkey(tmp_path, "") == ""
    made = unlock(tmp_path)
    assert vault.relay_pubkey(tmp_path, "") == made.pubkey
    with pytest.raises(VaultError, match="no secret key"):
        vault.relay_pubkey(tmp_path, "0" * 64)
