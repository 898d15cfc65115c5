"""How work becomes a program: quoting, transport, and what a cut leaves of it."""

import subprocess
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remjobs.model.work import Command, Script, Work
from remjobs.transports.posix.programs import attached, controller, marker

KEY = uuid4()
words = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=20)


def run(launch, shell=("/bin/sh", "-c"), stdin=b""):
    """Run a launch as a host does: a login shell reads the line."""
    return subprocess.run(
        [*shell, launch.command_line],
        input=launch.prefix + stdin,
        capture_output=True,
        check=False,
    )


def body(output):
    """Return what the work itself printed."""
    line, _, rest = output.partition(b"\n")
    assert line.startswith(marker(KEY))
    return rest


@settings(max_examples=60, deadline=None)
@given(st.lists(words, min_size=1, max_size=4), st.sampled_from(["/bin/sh", "/bin/bash"]))
def test_words_arrive_exactly_through_any_posix_login_shell(arguments, shell):
    """Blanks, quotes, dollars, newlines, emptiness: one word to one argument."""
    work = Work(command=Command(words=("printf", "%s\\0", *arguments)))
    done = run(attached(KEY, work), (shell, "-c"))
    assert body(done.stdout).split(b"\0")[:-1] == [word.encode() for word in arguments]


LOGIN_SHELLS = ["sh", "bash", "dash", "mksh", "ksh93", "tcsh", "fish"]
SHS = ["/bin/sh", "bash", "dash", "busybox sh", "mksh", "ksh93"]
SHOW = 'printf "%s\\0" "$VALUE" "$PWD" "$@"'
awkward = st.lists(
    st.sampled_from(
        ["'", '"', "\\", "$HOME", "`id`", "!", "!!", "\n", "\r", "\t", " ", "*", "~", "#"]
    )
    | st.sampled_from(
        ["-n", "%s", "&", "|", ";", "(", "{", "[", "<", "=", "^", "ä", "\u2019", "\x1b"]
    ),
    max_size=8,
).map("".join)
typed = words | awkward


@pytest.mark.parametrize("login", LOGIN_SHELLS)
@pytest.mark.parametrize("sh", SHS)
def test_whatever_is_typed_arrives_through_every_shell(tmp_path, login, sh):
    """Words, arguments of a script, variables, the directory: as they were, in any mixture."""

    @settings(max_examples=12, deadline=None)
    @given(st.lists(typed, max_size=4), typed, awkward, st.booleans())
    def holds(arguments, value, folder, as_script):
        place = tmp_path / "d" / (folder.replace("/", "") or "plain")
        place.mkdir(parents=True, exist_ok=True)
        more = {"environment": {"VALUE": value}, "directory": str(place), "shell": sh}
        if as_script:
            script = Script(name="show", content=SHOW.encode())
            work = Work(script=script, arguments=tuple(arguments), **more)
        else:
            command = Command(words=("/bin/sh", "-c", SHOW, "show", *arguments))
            work = Work(command=command, **more)
        launch = attached(KEY, work)
        line = launch.command_line.replace("/bin/sh", sh, 1)
        done = subprocess.run(
            [login, "-c", line], input=launch.prefix, capture_output=True, check=False
        )
        expected = [value, str(place), *arguments]
        assert body(done.stdout).split(b"\0")[:-1] == [word.encode() for word in expected], done

    holds()


@pytest.mark.parametrize("shell", ["tcsh", "fish"])
def test_words_for_a_shell_of_its_own_kind_arrive_as_well(shell):
    """Where somebody asks for it by --shell, its own way of quoting counts."""

    @settings(max_examples=40, deadline=None)
    @given(st.lists(typed, max_size=4))
    def holds(arguments):
        work = Work(command=Command(words=("printf", "%s\\0", "x", *arguments)), shell=shell)
        done = run(attached(KEY, work))
        expected = ["x", *arguments]
        assert body(done.stdout).split(b"\0")[:-1] == [word.encode() for word in expected], done

    holds()


@settings(max_examples=30, deadline=None)
@given(st.binary().filter(lambda data: b"\0" not in data))
def test_a_scripts_bytes_arrive_exactly(content):
    """Whatever they are, also where they are no UTF-8."""
    work = Work(script=Script(name="x", content=content), shell="cat")
    assert body(run(attached(KEY, work)).stdout) == content


def test_a_program_cut_short_at_any_byte_runs_nothing(tmp_path):
    """Half of `rm -rf /var/tmp/x` is `rm -rf /var`: nothing runs unless all came."""
    mark = tmp_path / "ran"
    work = Work(
        command=Command(text=f"echo once >> {mark}"),
        environment={"A": "forces standard input"},
    )
    launch = attached(KEY, work)
    whole = launch.prefix
    for length in range(len(whole) - 3):
        subprocess.run(
            ["/bin/sh", "-c", launch.command_line],
            input=whole[:length],
            capture_output=True,
            check=False,
        )
        assert not mark.exists(), whole[:length]
    run(launch)
    assert mark.read_text() == "once\n"


def test_input_follows_the_program_untouched():
    """Not a byte of it is taken for the program, nor the other way round."""
    data = bytes(range(256)) * 300
    work = Work(command=Command(text="cat"), environment={"A": "1"})
    assert body(run(attached(KEY, work), stdin=data).stdout) == data


@pytest.mark.parametrize(
    "text", ["uptime", "systemctl is-active ssh | head -1", "df -h /; free -m"]
)
def test_short_and_tame_commands_need_no_standard_input(text):
    """One round of reading less on the host."""
    launch = attached(KEY, Work(command=Command(text=text)))
    assert launch.prefix == b""


@pytest.mark.parametrize(
    "work",
    [
        Work(command=Command(text="echo 'it''s' $HOME !! \\ \n done")),
        Work(command=Command(text="true"), environment={"TOKEN": "canary"}),
        Work(command=Command(text="x" * 100_000)),
        Work(script=Script(name="s", content=b"echo 'canary'\n")),
        Work(command=Command(text="true"), directory="/it's canary!"),
    ],
)
def test_the_command_line_is_safe_for_any_login_shell(work):
    """Csh and fish differ from sh in what !, backslash, newline and quotes mean."""
    inner = attached(KEY, work).command_line.removeprefix("exec /bin/sh -c '").removesuffix("'")
    assert not set("'!\\\n") & set(inner)
    assert len(inner) < 40_000
    assert "canary" not in inner


def test_environment_values_stay_out_of_the_hosts_process_list():
    """They travel on standard input."""
    work = Work(command=Command(text="true"), environment={"TOKEN": "canary"})
    launch = attached(KEY, work)
    assert "canary" not in launch.command_line
    assert b"canary" in launch.prefix


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("x.py", b"import sys; print(sys.version_info[0])", b"3\n"),
        ("x.pl", b'print "perl\\n"', b"perl\n"),
        ("x.bash", b"echo ${BASH_VERSION:+bash}", b"bash\n"),
        ("x", b"#!/bin/bash -e\nfalse\necho no", b""),
        ("x.py", b"#!/bin/sh\necho shebang wins", b"shebang wins\n"),
        ("x.unknown", b"echo sh", b"sh\n"),
    ],
)
def test_the_interpreter_is_the_scripts_own(name, content, expected):
    """Shebang before extension before sh."""
    done = run(attached(KEY, Work(script=Script(name=name, content=content))))
    assert body(done.stdout) == expected


@pytest.mark.parametrize(
    ("shell", "text", "expected"),
    [
        ("bash", "echo ${BASH_VERSION:+bash} $0 $1", b"bash bash a\n"),
        ("python3", "import sys; print(sys.argv)", b"['-c', 'a']\n"),
        ("perl", 'print "@ARGV\\n"', b"a\n"),
        ("sh -e", "false; echo no", b""),
    ],
)
def test_any_interpreter_takes_a_text_and_arguments(shell, text, expected):
    """Each by its own option for inline programs."""
    work = Work(command=Command(text=text), shell=shell, arguments=("a",))
    assert body(run(attached(KEY, work)).stdout) == expected


def test_a_tilde_is_the_home_on_the_host(tmp_path):
    """As it is where people type it."""
    (tmp_path / "a b").mkdir()
    for directory, expected in (("~", tmp_path), ("~/a b", tmp_path / "a b")):
        launch = attached(KEY, Work(command=Command(text="pwd"), directory=directory))
        done = subprocess.run(
            ["/bin/sh", "-c", launch.command_line],
            input=launch.prefix,
            capture_output=True,
            check=True,
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        )
        assert body(done.stdout).decode().strip() == str(expected)


def test_the_stop_finds_nothing_where_nothing_is():
    """And signals nobody."""
    assert run(controller("stop", str(KEY), "999999999", "1", "-", "0")).stdout == b"gone 0\n"


def test_the_stop_knows_a_restarted_host():
    """Another boot id: whatever ran is gone."""
    words = (str(KEY), "1", "1", "00000000-0000-4000-8000-000000000000", "0")
    assert run(controller("stop", *words)).stdout == b"rebooted\n"
