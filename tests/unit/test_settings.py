"""Settings: environment over file over default, and what they cannot be."""

import re
from pathlib import Path

import pytest

from remjobs.errors import UsageError
from remjobs.model.host import SshOptions
from remjobs.model.output import OutputForm
from remjobs.model.request import DEFAULT_THROTTLE
from remjobs.settings import TABLE, Settings, config_path, unknown_variables


@pytest.fixture
def resolve(tmp_path):
    """Resolve settings from a file's text and variables."""

    def call(text="", home=None, **variables):
        path = tmp_path / "config.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return Settings.resolve({"REMJOBS_CONFIG": str(path), **variables}, home)

    return call


GOOD = {
    "home": ('"state"', "/var/state"),
    "inventory": ('["a", "~/b"]', "/x:/y"),
    "idle_timeout": ("5", "0.5"),
    "keyring_file": ('"k"', "/var/k"),
    "key_file": ('"~/key"', "/etc/key"),
    "keep_days": ("7", "never"),
    "history_days": ('"never"', "0.5"),
    "throttle_limit": ("5", "6"),
    "confirm_above": ("0", "7"),
    "output": ('"fold"', "table"),
    "color": ('"never"', "auto"),
    "user": ('"deploy"', "root"),
    "credential": ('"web admin"', "other"),
    "connect_timeout": ("2.5", "3"),
    "login_timeout": ("4", "5"),
    "keepalive": ("6", "7.5"),
}
BAD = {
    "home": ["3", '""', "[]"],
    "inventory": ["3", "[]", "[1]", '""', '"a\\u0000b"'],
    "keyring_file": ["3", '""'],
    "key_file": ["true", '"a\\u0000"'],
    "keep_days": ['"7d"', "-1", "nan", "inf", "true", "[]"],
    "history_days": ['"a week"', "-0.5"],
    "idle_timeout": ['"5"', "0", "-1", "nan", "inf", "true"],
    "throttle_limit": ["0", "1.5", '"32"', "true", "[32]"],
    "confirm_above": ["-1", "1.0"],
    "output": ['"yaml"', "3", '["text"]'],
    "color": ['"red"', "true"],
    "user": ['"-oProxyCommand=x"', '"a b"', "3", '""'],
    "credential": ['"-x"', '"a#b"', "3", '""'],
    "connect_timeout": ["0", '"1s"'],
    "login_timeout": ["false"],
    "keepalive": ["0", "{}"],
}


def test_every_setting_has_an_example_here():
    """None is added without a test of what it takes."""
    assert set(TABLE) == set(GOOD) == set(BAD)


@pytest.mark.parametrize("name", GOOD)
def test_a_variable_outranks_the_file_which_outranks_the_default(resolve, tmp_path, name):
    """And each says where it came from."""
    in_file, variable = GOOD[name]
    default = resolve()
    filed = resolve(f"\n{name} = {in_file}\n")
    both = resolve(f"{name} = {in_file}\n", **{TABLE[name].variable: variable})
    values = [getattr(settings, name) for settings in (default, filed, both)]
    assert values[0] != values[1] != values[2]
    assert [settings.origins.get(name) for settings in (default, filed, both)] == [
        None,
        f"{tmp_path}/config.toml:2",
        TABLE[name].variable,
    ]


def test_values_have_the_types_that_the_rest_relies_on(resolve, tmp_path):
    """Paths in the file are meant from its folder; a path may stand for a list of one."""
    filed = resolve('home = "state"\ninventory = "list"\nkeepalive = 3\n')
    assert filed.home == tmp_path / "state"
    assert filed.inventory == (tmp_path / "list",)
    assert filed.connection.ssh == SshOptions(keepalive_interval=3.0)
    named = resolve(REMJOBS_INVENTORY="~/x:y", REMJOBS_THROTTLE_LIMIT="8")
    assert named.inventory == (Path("~/x").expanduser(), Path.cwd() / "y")
    assert named.throttle_limit == 8
    assert resolve().throttle_limit == DEFAULT_THROTTLE
    assert resolve().output is OutputForm.TEXT


def test_a_home_that_was_named_outranks_everything(resolve, tmp_path):
    """As --home of the Python API does."""
    assert resolve('home = "a"', tmp_path / "own", REMJOBS_HOME="/b").home == tmp_path / "own"


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in BAD.items() for v in values])
def test_a_value_that_cannot_be_is_told_with_file_line_and_what_may_be(resolve, name, value):
    """One line names all three."""
    with pytest.raises(UsageError) as caught:
        resolve(f"# a comment\n\n{name} = {value}\n")
    allowed = re.escape(TABLE[name].kind.allowed)
    pattern = rf"/\S+/config\.toml:3: {name} is .+, but must be {allowed}"
    assert re.fullmatch(pattern, str(caught.value))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("IDLE_TIMEOUT", "soon"),
        ("IDLE_TIMEOUT", "0"),
        ("THROTTLE_LIMIT", "1.5"),
        ("THROTTLE_LIMIT", "many"),
        ("CONFIRM_ABOVE", "-1"),
        ("OUTPUT", "TEXT"),
        ("COLOR", "yes"),
        ("USER", "-l root"),
        ("KEEPALIVE", "nan"),
        ("INVENTORY", ":"),
    ],
)
def test_a_variable_that_cannot_be_is_told_by_name(resolve, name, text):
    """With what it may be."""
    allowed = re.escape(TABLE[name.lower()].kind.allowed)
    message = f"REMJOBS_{name} is {re.escape(repr(text))}, but must be {allowed}"
    with pytest.raises(UsageError, match=message):
        resolve(**{f"REMJOBS_{name}": text})


def test_an_empty_variable_says_nothing(resolve):
    """As everywhere in a shell."""
    assert resolve("keepalive = 3", REMJOBS_KEEPALIVE="").keepalive == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = 1\n", r":1: no setting 'a'; allowed are: home, inventory, "),
        ("user = 'x'\n\nthrotle_limit = 1\n", r":3: no setting 'throtle_limit' \(did you mean th"),
        ("user = 'x'\n[ssh]\nport = 22\n", r":2: no setting 'ssh'; allowed are: "),
        ("user = 'x'\nssh.port = 22\n", r":2: no setting 'ssh'; allowed are: "),
        ("user = 'x'\nuser = 'y'\n", r":2: no TOML: cannot overwrite a value; expected `name"),
        ("user = x\n", r":1: no TOML: "),
        ("user = 'x'\nthrottle_limit =", r":2: no TOML: "),
        (b"user = 'x'\n# \xff\n", r":2: not UTF-8 text; expected TOML"),
    ],
)
def test_a_broken_file_is_told_with_its_line(resolve, text, said):
    """What is no setting, no TOML, or no text."""
    with pytest.raises(UsageError, match=r"/config\.toml" + said):
        resolve(text)


def test_a_file_that_was_named_must_be_there(tmp_path):
    """The default one need not be."""
    with pytest.raises(UsageError, match=r"none\.toml: no such file; REMJOBS_CONFIG names it"):
        Settings.resolve({"REMJOBS_CONFIG": str(tmp_path / "none.toml")})
    with pytest.raises(UsageError, match="cannot read the configuration: Is a directory"):
        Settings.resolve({"REMJOBS_CONFIG": str(tmp_path)})


def test_the_default_file_is_the_users(monkeypatch, tmp_path):
    """By the XDG base directories; none is no error."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert config_path({}) == tmp_path / "remjobs" / "config.toml"
    assert Settings.resolve({}).user is None
    (tmp_path / "remjobs").mkdir()
    config_path({}).write_text("user = 'me'\n")
    assert Settings.resolve({}).user == "me"


def test_variables_that_mean_nothing_are_found():
    """For doctor; to refuse them would break older and newer versions side by side."""
    given = {"REMJOBS_HOM": "x", "REMJOBS_HOME": "y", "REMJOBS_SPOOL": "z", "HOME": "h"}
    assert unknown_variables(given) == ["REMJOBS_HOM"]


def test_the_page_of_settings_has_them_all():
    """Each with its variable, in the table's order."""
    page = Path(__file__).parents[2] / "docs" / "settings.md"
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", page.read_text(), re.MULTILINE)
    assert rows == [(setting.name, setting.variable) for setting in TABLE.values()]
