"""`key`: what is printed, what is kept, and that a secret shows only when asked for."""

import json
import stat
from pathlib import Path

import pytest

from keys import encoding
from tests.cli.conftest import Tidings
from tests.factories import keypair

KEY = keypair(1)
NSEC = encoding.encode("nsec", KEY.secret.hex())
NPUB = encoding.encode("npub", KEY.pubkey)


def test_generate_keeps_the_secret_in_a_file_of_its_owner_and_prints_the_public_key(
    tidings: Tidings, tmp_path: Path
) -> None:
    file = tmp_path / "alice.nsec"
    made = tidings("key", "generate", "--out", file, "--json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    secret = file.read_text().strip()
    assert secret not in made.output
    assert bytes.fromhex(encoding.decode("nsec", secret)).hex() not in made.output
    shown = tidings("key", "public", "--secret-file", file, "--json")
    assert json.loads(shown.stdout) == json.loads(made.stdout)


def test_generate_makes_a_new_key_each_time(tidings: Tidings) -> None:
    first, second = (tidings("key", "generate", "--show-secret").stdout for _ in range(2))
    assert first != second


def test_generate_shows_the_secret_when_asked(tidings: Tidings) -> None:
    shown = json.loads(tidings("key", "generate", "--show-secret", "--json").stdout)
    again = tidings("key", "public", "--json", NOSTR_SECRET_KEY=shown["nsec"])
    assert json.loads(again.stdout) == {"npub": shown["npub"], "pubkey": shown["pubkey"]}
    assert encoding.decode("nsec", shown["nsec"]) == shown["secret"]


def test_generate_wants_to_know_where_the_secret_goes(tidings: Tidings) -> None:
    result = tidings("key", "generate")
    assert (result.exit_code, result.stdout) == (2, "")


def test_a_saved_secret_is_found_and_never_overwritten(tidings: Tidings, home: Path) -> None:
    made = tidings("key", "generate", "--save")
    assert made.exit_code == 0
    assert tidings("key", "public").stdout == made.stdout
    again = tidings("key", "generate", "--save")
    assert again.exit_code == 1
    assert "never overwritten" in again.stderr
    assert tidings("key", "public").stdout == made.stdout
    (kept,) = (file for file in home.rglob("*") if file.is_file())
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


@pytest.mark.parametrize("form", [NSEC, KEY.secret.hex(), f"  {NSEC}\n"])
def test_a_secret_is_taken_from_file_stdin_or_environment(tidings: Tidings, tmp_path: Path, form: str) -> None:
    file = tmp_path / "secret"
    file.write_text(form)
    expected = {"npub": NPUB, "pubkey": KEY.pubkey}
    assert json.loads(tidings("key", "public", "--json", "--secret-file", file).stdout) == expected
    assert json.loads(tidings("key", "public", "--json", "--secret-file", "-", stdin=form).stdout) == expected
    assert json.loads(tidings("key", "public", "--json", NOSTR_SECRET_KEY=form).stdout) == expected


def test_a_byte_order_mark_before_a_secret_is_nothing(tidings: Tidings) -> None:
    result = tidings("key", "public", "--json", "--secret-file", "-", stdin=b"\xef\xbb\xbf" + NSEC.encode())
    assert json.loads(result.stdout)["pubkey"] == KEY.pubkey


def test_a_file_wins_over_the_environment(tidings: Tidings) -> None:
    other = keypair(2).secret.hex()
    result = tidings("key", "public", "--json", "--secret-file", "-", stdin=NSEC, NOSTR_SECRET_KEY=other)
    assert json.loads(result.stdout)["pubkey"] == KEY.pubkey


@pytest.mark.parametrize(
    "wrong", [NPUB, "0" * 64, "f" * 64, KEY.secret.hex()[:-1], KEY.secret.hex().upper(), NSEC[:-1], "", "\udcff"]
)
def test_what_is_no_secret_is_refused_without_repeating_it(tidings: Tidings, wrong: str) -> None:
    result = tidings("key", "public", "--secret-file", "-", stdin=wrong.encode(errors="surrogateescape"))
    assert result.exit_code == 1
    assert "stdin holds no secret key" in result.stderr
    assert not wrong or wrong not in result.output


def test_without_any_secret_the_ways_to_give_one_are_named(tidings: Tidings) -> None:
    result = tidings("key", "public")
    assert result.exit_code == 2
    assert "--secret-file" in result.stderr
    assert "NOSTR_SECRET_KEY" in result.stderr


@pytest.mark.parametrize("form", [NPUB, KEY.pubkey])
def test_convert_gives_both_forms_of_a_public_key(tidings: Tidings, form: str) -> None:
    expected = {"npub": NPUB, "pubkey": KEY.pubkey}
    assert json.loads(tidings("key", "convert", "--json", form).stdout) == expected
    assert json.loads(tidings("key", "convert", "--json", stdin=f"{form}\n").stdout) == expected


@pytest.mark.parametrize("form", [NSEC, KEY.secret.hex()])
def test_convert_gives_all_forms_of_a_secret_when_asked(tidings: Tidings, form: str) -> None:
    result = tidings("key", "convert", "--secret", "--json", stdin=form)
    assert json.loads(result.stdout) == {
        "npub": NPUB,
        "pubkey": KEY.pubkey,
        "nsec": NSEC,
        "secret": KEY.secret.hex(),
    }


@pytest.mark.parametrize("args", [["convert", NSEC], ["convert", "--secret", NSEC]])
def test_convert_refuses_a_secret_in_an_argument(tidings: Tidings, args: list[str]) -> None:
    result = tidings("key", *args)
    assert result.exit_code == 2
    assert "stdin" in result.stderr
    assert NSEC not in result.output


@pytest.mark.parametrize("wrong", ["", "npub1", KEY.pubkey[:-1], KEY.pubkey.upper(), "note" + NPUB[4:]])
def test_convert_refuses_what_is_no_key(tidings: Tidings, wrong: str) -> None:
    result = tidings("key", "convert", stdin=wrong)
    assert result.exit_code == 1
    assert "not a public key" in result.stderr
