"""Settings: where they come from, which wins, what is refused, what changes while running; and the verb that shows them."""

import json
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import config
from relay.config import SETTINGS, Config, split_listen
from relay.loading import load, reload
from relay.protocol.retention import RetentionRule
from relay.retention_settings import rules_of
from relay.setting_parts import ConfigError
from tests.cli.conftest import Tidings

NUMBERS = (
    "limits.max_subscriptions",
    "limits.created_at_past",
    "rates.burst",
    "server.ping_interval",
    "server.open_timeout",
    "server.drain_timeout",
    "storage.cache_mib",
    "storage.queue",
    "storage.sweep_interval",
)  # settings of every section that may be 12345

RULE = "[[retention]]\nkinds = [1]\ndays = 30\n"


def toml(tmp_path: Path, text: str) -> Path:
    """A settings file."""
    file = tmp_path / "tidings.toml"
    file.write_text(text)
    return file


def test_everything_has_a_default() -> None:
    assert load(None, {}, {}) == Config()


def test_every_setting_has_a_help_and_a_variable_of_its_own() -> None:
    assert all(setting.help for setting in SETTINGS)
    assert len({setting.variable for setting in SETTINGS}) == len(SETTINGS)
    assert len({setting.name for setting in SETTINGS}) == len(SETTINGS)


def test_a_file_wins_over_the_default(tmp_path: Path) -> None:
    file = toml(tmp_path, '[limits]\nmax_limit = 1000\n[access]\ndenied_kinds = [4, 7]\n[relay]\nname = "Ours"\n')
    found = load(file, {}, {})
    assert (found.limits.max_limit, found.access.denied_kinds, found.relay.name) == (1000, [4, 7], "Ours")
    assert found.limits.max_filters == Config().limits.max_filters


def test_the_environment_wins_over_the_file_and_flags_win_over_both(tmp_path: Path) -> None:
    file = toml(tmp_path, "[limits]\nmax_limit = 1000\nmax_filters = 3\nmin_pow = 1\n")
    environ = {"TIDINGS_LIMITS_MAX_LIMIT": "2000", "TIDINGS_LIMITS_MAX_FILTERS": "4", "PATH": "/bin"}
    found = load(file, environ, {"limits.max_limit": "3000"})
    assert (found.limits.max_limit, found.limits.max_filters, found.limits.min_pow) == (3000, 4, 1)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", []),
        ("1", [1]),
        (" 1, 7 ,30023", [1, 7, 30023]),
        ("1,,7,", [1, 7]),
        ("[]", []),
        ("[1, 7]", [1, 7]),
        (' ["1",\n7 ]', [1, 7]),
    ],
)
def test_lists_are_written_with_commas_outside_a_file_or_as_in_one(text: str, value: list[int]) -> None:
    assert load(None, {"TIDINGS_ACCESS_ALLOWED_KINDS": text}, {}).access.allowed_kinds == value


@pytest.mark.parametrize("text", ["[", "[1", "[1] x", "[1]\naccess = 1", "[[access]]", "[{}]", "[nan]"])
def test_what_begins_like_a_list_and_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigError, match=r"command line: access\.allowed_kinds(: |\[0\] must be a)"):
        load(None, {}, {"access.allowed_kinds": text})


def test_what_config_prints_of_a_list_can_be_given_back(tidings: Tidings) -> None:
    printed = tidings("config", "server.trusted_proxies", "--set", "server.trusted_proxies=10.0.0.0/8,::1/128").stdout
    value = printed.splitlines()[0].partition(" = ")[2]
    again = tidings("config", "server.trusted_proxies", "--set", f"server.trusted_proxies={value}").stdout
    assert again == printed


@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False), ("1", True), ("0", False)])
def test_switches_are_written_as_words_or_digits_outside_a_file(text: str, value: bool) -> None:
    assert load(None, {}, {"access.auth_to_read": text}).access.auth_to_read is value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[limits]\nmax_limits = 3\n", "limits.max_limits is no setting; did you mean limits.max_limit?"),
        ("[limit]\nmax_limit = 3\n", "limit.max_limit is no setting; did you mean limits.max_limit?"),
        ("[federation]\nallow_private = true\n", "did you mean federation.follow_private?"),
        ('[server]\ndescription = "A hub"\n', "server.description is no setting; did you mean relay.description?"),
        ("[server]\nport = 7000\n", "server.port is no setting; did you mean server.listen?"),
        ("[server]\nsails = 3\n", "server.sails is no setting; `tidings config` lists them all"),
        ("max_limit = 3\n", "'max_limit' stands outside a table"),
        ('[limits]\nmax_limit = "3"\n', "limits.max_limit"),
        ("[limits]\nmax_limit = 0\n", "limits.max_limit"),
        ("[limits]\nmax_limit = 1.5\n", "limits.max_limit"),
        ("[limits]\nmax_limit = [1]\n", "limits.max_limit"),
        ("[limits.max_limit]\nvalue = 1\n", "limits.max_limit"),
        ("[access]\nallowed_kinds = [70000]\n", "access.allowed_kinds"),
        ('[access]\ndenied_keys = ["npub1"]\n', "access.denied_keys"),
        ('[storage]\nsynchronous = "off"\n', "storage.synchronous"),
        ('[relay]\nurl = "http://relay.example"\n', "relay.url"),
        ("[limits\n", "tidings.toml"),
        ("[limits]\nmax_limit = 3\n[limits]\n", "tidings.toml"),
        ("[limits]\ndefault_limit = 6000\n", "limits.default_limit is above limits.max_limit"),
        ('[server]\nlisten = "7447"\n', "server.listen"),
        ('[server]\ntrusted_proxies = ["10.0.0.1/8"]\n', "server.trusted_proxies"),
        ('[server]\ntrusted_proxies = ["localhost"]\n', "server.trusted_proxies"),
        ('[server]\naddress_header = "x forwarded for"\n', "address_header must be the name of a header"),
        ('[server]\naddress_header = ""\n', "address_header must be the name of a header"),
        ('[server]\ndata = ""\n', "server.data must have at least 1 character"),
        ("[limits]\nmax_limit = -1\n", "limits.max_limit must be at least 1, not -1 (stored"),
        ("[limits]\nmax_limit = 1.5\n", "limits.max_limit must be a whole number, not 1.5 (stored"),
        ("[limits]\nmax_limit = 1000000000001\n", "must be at most 1000000000000, not 1000000000001"),
        ('[server]\nping_interval = "30s"\n', "server.ping_interval must be a number, not '30s'"),
        ("[server]\nping_interval = true\n", "server.ping_interval must be a number, not true"),
        ('[search]\nrerank = "on"\n', "search.rerank must be true or false, not 'on'"),
        ("[search]\nrerank = True\n", "; it is written small: rerank = true"),
        ("[access]\nallowed_kinds = [1, 70000]\n", "access.allowed_kinds[1] must be at most 65535, not 70000"),
        ('[relay]\nname = "a"\nname = "b"\n', "; name stands there twice: keep one"),
        ("[relay]\n[server]\n[relay]\n", "; [relay] stands there twice: keep one"),
        ("[[relay]]\n", "write [relay] with one bracket, and once"),
        ('[server]\nlisten = "7447"\n', "(server.listen is set by file "),
        ("[server]\nlisten = 127.0.0.1:7447\n", 'a text stands in quotes: listen = "127.0.0.1:7447"'),
        (
            '[groups]\nlivekit_url = "wss://av.example"\n',
            "groups.livekit_url, livekit_key and livekit_secret go together",
        ),
        ('[[peers]]\nurl = "wss://relay.example"\nsince = 9999999999999999999\n', "since must be at most"),
        ("[retention]\nkinds = [1]\n", "write [[retention]] with two brackets, once for each rule"),
        ("[[retention]]\nkinds = [1]\n", "[[retention]] number 1: the field days is missing"),
        ("[[retention]]\ndays = 1\n", "[[retention]] number 1: the field kinds is missing"),
        (RULE + "[[retention]]\nkinds = []\ndays = 1\n", "[[retention]] number 2: kinds must have at least 1 element"),
        ("[[retention]]\nkinds = [1]\ndays = 0\n", "number 1: days must be more than 0 and at most 36,500"),
        ("[[retention]]\nkinds = [1]\ndays = nan\n", "number 1: days must be more than 0 and at most 36,500"),
        ("[[retention]]\nkinds = [70000]\ndays = 1\n", "number 1: 70000: a kind is 0 to 65535"),
        ('[[retention]]\nkinds = ["7-1"]\ndays = 1\n', "number 1: '7-1': a kind is 0 to 65535"),
        ('[[retention]]\nkinds = ["notes"]\ndays = 1\n', "number 1: 'notes' is no kind and no range of kinds"),
        ("[[retention]]\nkinds = [5]\ndays = 1\n", "number 1: kind 5 cannot be named: deletions are kept for good"),
        ('[[retention]]\nkinds = ["2000-9100"]\ndays = 1\n', "number 1: kind 8000 cannot be named"),
        ("[[retention]]\nkinds = [1010]\ndays = 1\n", "edits are kept as long as what they edit"),
        ("[[retention]]\nkinds = [1059]\ndays = 2\n", "kind 1059 needs at least 3 days"),
        (RULE + "count = 5\n", "number 1: there is no field count (operating.md shows what a rule has)"),
        (RULE + 'keep = "friends"\n', """keep must be "identities" or "members", not 'friends'"""),
        (RULE + 'authors = ["npub1"]\n', "number 1: authors[0] must be 64 lower-case hex digits"),
        (RULE * 101, "[[retention]]: there may be 100 rules"),
    ],
)
def test_a_wrong_file_stops_the_start_and_the_setting_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(toml(tmp_path, text), {}, {})
    assert words in str(caught.value)


def test_rules_of_retention_stand_in_the_file_and_change_while_the_relay_runs(tmp_path: Path) -> None:
    author = "ab" * 32
    text = f'[[retention]]\nkinds = [1, "1000-1009"]\ndays = 0.5\nauthors = ["{author}"]\nkeep = "members"\n{RULE}'
    found = load(toml(tmp_path, text), {}, {})
    first, second = rules_of(found.retention)
    assert first == RetentionRule(((1, 1), (1000, 1009)), 0.5, (author,), "members")
    assert second == RetentionRule(((1, 1),), 30)
    assert reload(Config(), found) == (found, [])
    assert reload(found, Config()) == (Config(), [])


def test_a_wrong_text_is_not_repeated_since_it_may_be_a_secret() -> None:
    for name in ("identities.relay_key", "relay.pubkey", "search.endpoint_url"):
        with pytest.raises(ConfigError, match="must be") as caught:
            load(None, {}, {name: "nsec1hush"})
        assert "nsec1hush" not in str(caught.value)


def test_a_byte_order_mark_and_line_ends_of_windows_are_nothing(tmp_path: Path, tidings: Tidings) -> None:
    file = tmp_path / "tidings.toml"
    file.write_bytes(b'\xef\xbb\xbf[relay]\r\nname = "Lighthouse"\r\n')
    assert load(file, {}, {}).relay.name == "Lighthouse"
    assert f"from file {file}" in tidings("config", "relay.name", "--config", file).stdout


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.toml: No such file or directory$"):
        load(tmp_path / "missing.toml", {}, {})
    with pytest.raises(ConfigError, match=str(tmp_path)):
        load(tmp_path, {}, {})
    file = tmp_path / "latin.toml"
    file.write_bytes(b'[relay]\nname = "\xe9"\n')
    with pytest.raises(ConfigError, match=r"latin\.toml: it is no UTF-8 text \(byte 17\)"):
        load(file, {}, {})


@pytest.mark.parametrize(
    ("environ", "flags", "words"),
    [
        ({"TIDINGS_LIMITS_MAX_LIMIT": "many"}, {}, "TIDINGS_LIMITS_MAX_LIMIT"),
        ({"TIDINGS_MAX_LIMIT": "5"}, {}, "TIDINGS_MAX_LIMIT is no setting"),
        ({"TIDINGS_LIMIT_MAX_LIMIT": "5"}, {}, "no setting; did you mean TIDINGS_LIMITS_MAX_LIMIT?"),
        ({"TIDINGS_LIMITS_MAX_LIMIT": ""}, {}, "limits.max_limit must be a whole number, not ''"),
        ({"TIDINGS_SERVER_LISTEN": "7447"}, {}, "(server.listen is set by environment variable TIDINGS_SERVER_LISTEN)"),
        ({"TIDINGS_SERVER_LISTEN": "7447"}, {"server.listen": "80"}, "(server.listen is set by command line)"),
        ({}, {"limits.max_limit": "-1"}, "command line: limits.max_limit"),
        ({}, {"max_limit": "5"}, "'max_limit' is no setting; did you mean limits.max_limit?"),
        ({}, {"access.auth_to_read": "perhaps"}, "access.auth_to_read"),
        ({}, {"access.allowed_keys": "A" * 64}, "access.allowed_keys"),
        ({}, {"server.ping_interval": "-1"}, "server.ping_interval"),
    ],
)
def test_a_wrong_word_outside_the_file_is_named_with_its_place(
    environ: dict[str, str], flags: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, environ, flags)
    assert words in str(caught.value)


@pytest.mark.parametrize("text", ["inf", "1e300", "9" * 30])
def test_no_number_is_larger_than_what_is_made_of_it_may_be(text: str) -> None:
    for setting in SETTINGS:
        if type(setting.default) in (int, float):
            with pytest.raises(ConfigError, match=rf"{setting.name} must be (at most|a whole number)"):
                load(None, {}, {setting.name: text})


def test_the_variable_that_names_the_file_is_no_unknown_setting() -> None:
    assert load(None, {"TIDINGS_CONFIG": "anything"}, {}) == Config()


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("127.0.0.1:7447", ("127.0.0.1", 7447)),
        ("[::1]:0", ("::1", 0)),
        ("localhost:65535", ("localhost", 65535)),
    ],
)
def test_an_address_and_a_port(listen: str, expected: tuple[str, int]) -> None:
    assert split_listen(listen) == expected


@pytest.mark.parametrize(
    "listen", ["", ":", "7447", "localhost", "localhost:", ":7447", "h:65536", "h:-1", "h:٣", "h:x"]
)
def test_what_is_no_address_and_port(listen: str) -> None:
    with pytest.raises(ConfigError, match=r"server\.listen"):
        split_listen(listen)


def test_a_reload_takes_what_may_change_and_names_the_rest() -> None:
    now = load(None, {}, {"limits.max_limit": "1000", "server.listen": "127.0.0.1:1"})
    fresh = load(None, {}, {"limits.max_limit": "2000", "server.listen": "127.0.0.1:2", "storage.readers": "9"})
    changed, kept = reload(now, fresh)
    assert changed.limits.max_limit == 2000
    assert (changed.server.listen, changed.storage.readers) == ("127.0.0.1:1", now.storage.readers)
    assert kept == ["server.listen", "storage.readers"]


def test_a_reload_without_a_change_changes_nothing() -> None:
    assert reload(Config(), load(None, {}, {})) == (Config(), [])


@given(st.sets(st.sampled_from(NUMBERS)))
def test_a_reload_leaves_exactly_the_settings_it_names(names: set[str]) -> None:
    fresh = load(None, {}, dict.fromkeys(names, "12345"))
    changed, kept = reload(Config(), fresh)
    for setting in SETTINGS:
        expected = Config() if setting.name in kept or setting.name not in names else fresh
        assert _value(changed, setting) == _value(expected, setting)
    assert all(not setting.reloadable for setting in SETTINGS if setting.name in kept)


def _value(settings: Config, setting: config.Setting) -> Any:
    return getattr(getattr(settings, setting.section), setting.field)


# the verb


def test_config_shows_each_value_with_its_help_and_origin(tidings: Tidings, tmp_path: Path) -> None:
    file = toml(tmp_path, "[limits]\nmax_limit = 1000\nmin_pow = 8\n")
    result = tidings("config", "--json", "--config", file, "--set", "limits.min_pow=9", TIDINGS_LIMITS_MAX_FILTERS="3")
    rows = {row["name"]: row for row in map(json.loads, result.stdout.splitlines())}
    assert set(rows) == {setting.name for setting in SETTINGS}
    found = {name: (rows[name]["value"], rows[name]["origin"]) for name in rows}
    assert found["limits.max_limit"] == (1000, f"file {file}")
    assert found["limits.min_pow"] == (9, "command line")
    assert found["limits.max_filters"] == (3, "environment")
    assert found["relay.name"] == ("Tidings", "default")


def test_config_is_narrowed_to_sections_and_settings(tidings: Tidings) -> None:
    result = tidings("config", "rates", "server.listen")
    names = [line.split(" = ")[0] for line in result.stdout.splitlines() if not line.startswith(" ")]
    assert names == [
        setting.name for setting in SETTINGS if setting.section == "rates" or setting.name == "server.listen"
    ]
    assert "TIDINGS_SERVER_LISTEN" in result.stdout


def test_the_example_file_sets_nothing_as_it_is_and_every_default_when_uncommented(
    tidings: Tidings, tmp_path: Path
) -> None:
    text = tidings("config", "--example").stdout
    assert tomllib.loads(text) == {setting.section: {} for setting in SETTINGS}
    names = {setting.field for setting in SETTINGS}
    lines = [
        line.removeprefix("# ") if line.removeprefix("# ").split(" = ")[0] in names else line
        for line in text.splitlines()
    ]
    uncommented = tomllib.loads("\n".join(lines))
    assert sum(len(section) for section in uncommented.values()) == len(SETTINGS)
    assert load(toml(tmp_path, "\n".join(lines)), {}, {}) == Config()


def test_the_file_may_be_named_by_the_environment(tidings: Tidings, tmp_path: Path) -> None:
    file = toml(tmp_path, '[relay]\nname = "Named"\n')
    result = tidings("config", "relay.name", "--json", TIDINGS_CONFIG=str(file))
    assert msgspec.json.decode(result.stdout)["value"] == "Named"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["config", "nothing"], "'nothing' is no setting or section; `tidings config`"),
        (["config", "max_limit"], "'max_limit' is no setting or section; did you mean limits.max_limit?"),
        (["config", "--config", "missing.toml"], "missing.toml"),
        (["config", "--set", "limits.max_limit=x"], "limits.max_limit must be a whole number, not 'x'"),
        (["config", "--set", "limits.max_limit=0"], "limits.max_limit must be at least 1"),
        (["config", "--set", "groups.create=all"], "must be anyone, identities, members or operators, not 'all'"),
        (["config", "--set", "relay.url=http://x"], "relay.url must be a URL that begins with ws:// or wss://"),
        (
            ["config", "--set", "relay.pubkey=npub1x"],
            "must be 64 lower-case hex digits, or empty; `tidings key convert`",
        ),
        (
            ["config", "--set", "groups.operators=npub1x"],
            "groups.operators[0] must be 64 lower-case hex digits; `tidings key",
        ),
        (["config", "--set", "access.allowed_kinds=1,x"], "access.allowed_kinds[1] must be a whole number, not 'x'"),
        (["config", "--set", "limits.max_limit"], "--set takes NAME=VALUE"),
        (["serve", "--listen", "nowhere"], "server.listen"),
        (["count", "{}", "--set", "no.such=1"], "'no.such' is no setting"),
    ],
)
def test_a_wrong_setting_ends_in_one_line_and_code_2(tidings: Tidings, args: list[str], words: str) -> None:
    result = tidings(*args)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_settings_of_the_data_directory_that_cannot_be_read_are_not_taken_for_none(tmp_path: Path) -> None:
    """A reload would go on with other settings than the operator's, and say that all is well."""
    kept = tmp_path / "settings.toml"
    assert load(None, {}, {"server.data": str(tmp_path)}).relay.name == "Tidings"
    kept.symlink_to(tmp_path / "a disk that is away" / "settings.toml")
    with pytest.raises(ConfigError, match="No such file"):
        load(None, {}, {"server.data": str(tmp_path)})
    kept.unlink()
    kept.mkdir()
    with pytest.raises(ConfigError, match="Is a directory"):
        load(None, {}, {"server.data": str(tmp_path)})
