"""What every InventoryService must do: the engine's own, and the controller's client."""

import json

import pytest

from remjobs.errors import InventoryError, UsageError
from remjobs.model.host import Host
from remjobs.model.inventory import GroupLine, HostLine, SettingLine


@pytest.fixture
def fleet(tmp_path):
    """An inventory of Ansible's, with variables beside it."""
    (tmp_path / "fleet.ini").write_text(
        "db1 ansible_port=2222 ansible_password=hunter2\n[web]\nweb[1:3] ansible_user=w\n"
        "[prod:children]\nweb\n[all:vars]\nsite=here\n",
    )
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "host_vars" / "web1.yml").write_text("---\nansible_host: 10.0.0.1\nlist: [1, a]\n")
    return tmp_path / "fleet.ini"


async def test_a_pattern_shows_what_it_hits(lab, fleet):
    """In the order in which it would run, with how each is reached; warnings too."""
    found = await lab.jobs.hosts("db1,web1", inventory=fleet)
    assert found.hosts == (
        HostLine(name="db1", transport="ssh", port=2222, groups=("ungrouped",)),
        HostLine(
            name="web1",
            transport="ssh",
            address="10.0.0.1",
            user="w",
            groups=("prod", "web"),
        ),
    )
    [warning] = found.warnings
    assert warning.startswith(f"{fleet}:1: ansible_password is not kept")
    assert len((await lab.jobs.hosts(inventory=fleet)).hosts) == 4


async def test_each_setting_says_where_it_comes_from(lab, fleet):
    """File and line, and the name that the inventory has for it; no secret anywhere."""
    [details] = await lab.jobs.describe("web1", inventory=fleet)
    beside = str(fleet.parent / "host_vars" / "web1.yml")
    assert (details.host.name, details.file, details.line) == ("web1", str(fleet), 3)
    assert details.settings == (
        SettingLine(name="address", value="10.0.0.1", file=beside, line=2, said_as="ansible_host"),
        SettingLine(name="user", value="w", file=str(fleet), line=3, said_as="ansible_user"),
        SettingLine(name="variables.list", value=[1, "a"], file=beside, line=3),
        SettingLine(name="variables.site", value="here", file=str(fleet), line=7, group="all"),
    )
    everything = await lab.jobs.describe("all", inventory=fleet)
    assert "hunter2" not in repr(everything)


CREDENTIALS = """\
[hosts.own]
credential = "own-one"
[hosts.plain]
[groups.web]
hosts = ["own", "member"]
credential = "web-one"
"""


async def test_a_host_says_which_credential_it_uses_and_who_says_so(lab, tmp_path, monkeypatch):
    """The host before its groups, these before what is set for all; none is none."""
    fleet = tmp_path / "fleet.toml"
    fleet.write_text(CREDENTIALS)

    async def used(host):
        [details] = await lab.jobs.describe(host, inventory=fleet)
        said = [line for line in details.settings if line.name == "credential"]
        return details.credential, [(line.group, line.line) for line in said]

    assert await used("own") == ("own-one", [(None, 2)])
    assert await used("member") == ("web-one", [("web", 6)])
    assert await used("plain") == (None, [])
    monkeypatch.setenv("REMJOBS_CREDENTIAL", "set-one")
    assert await used("plain") == ("set-one", [])
    assert await used("member") == ("web-one", [("web", 6)])
    fleet.write_text('[defaults]\ncredential = "all-one"\n' + CREDENTIALS)
    assert await used("plain") == ("all-one", [("all", 2)])


async def test_groups_show_their_hosts(lab, fleet):
    """Parents first; with a pattern those that hold what it hits."""
    found = await lab.jobs.groups(inventory=fleet)
    names = ("db1", "web1", "web2", "web3")
    assert found.groups[0].hosts == names
    assert {line.name: line.hosts for line in found.groups} == {
        "all": names,
        "ungrouped": names[:1],
        "prod": names[1:],
        "web": names[1:],
    }
    some = await lab.jobs.groups("web2", inventory=fleet)
    assert some.groups == (
        GroupLine(name="all", hosts=("web2",)),
        GroupLine(name="prod", hosts=("web2",), children=("web",)),
        GroupLine(name="web", hosts=("web2",)),
    )


async def test_a_script_is_an_inventory(lab, tmp_path):
    """Only where it is named so."""
    path = tmp_path / "inventory"
    answer = {"web": ["w1"], "_meta": {"hostvars": {"w1": {"ansible_port": 7}}}}
    path.write_text(f"#!/bin/sh\ncat <<'E'\n{json.dumps(answer)}\nE\n")
    path.chmod(0o755)
    found = await lab.jobs.hosts("web", inventory_script=path)
    assert [(host.name, host.port) for host in found.hosts] == [("w1", 7)]
    with pytest.raises(InventoryError, match="only where it is named by --inventory-script"):
        await lab.jobs.hosts("web", inventory=path)


async def test_a_preview_starts_nothing(lab):
    """It says host, user, place and command, and makes no job."""
    hosts = [lab.fleet.host("a"), Host(name="b", transport="memory", user="root")]
    found = await lab.jobs.preview(["echo", "a b"], on=hosts)
    assert [(line.host, line.user, line.address) for line in found.hosts] == [
        ("a", "nobody", "a:0"),
        ("b", "root", "b:0"),
    ]
    assert {line.command for line in found.hosts} == {"echo 'a b'"}
    assert await lab.jobs.list() == ()
    assert lab.fleet.starts == []


async def test_a_preview_refuses_what_a_start_refuses(lab):
    """So that nobody is told that it would work."""
    with pytest.raises(UsageError, match="impossible: this host can never work"):
        await lab.jobs.preview("x", on=[lab.fleet.host("impossible")])


async def test_what_matches_nothing_is_an_error(lab, fleet):
    """With what comes near; and where there is no inventory that is said."""
    with pytest.raises(UsageError, match=r"no host or group 'wbe'.* did you mean web"):
        await lab.jobs.hosts("wbe", inventory=fleet)
    with pytest.raises(UsageError, match="'all' needs an inventory"):
        await lab.jobs.hosts()


async def test_hosts_of_an_earlier_job_can_be_looked_at(lab):
    """As @JOB:STATE, before they are tried again."""
    job = await lab.start("a", "b")
    await lab.jobs.wait(job, timeout=10)
    found = await lab.jobs.hosts(f"@{job.id}:completed")
    assert [host.name for host in found.hosts] == ["a", "b"]
    [one, _] = await lab.jobs.describe(f"@{job.id}:completed")
    assert (one.host.transport, one.file, one.settings) == ("memory", None, ())


async def test_hosts_of_an_earlier_job_can_be_left_out(lab, fleet):
    """Also where there are none, which includes nothing but leaves out nothing either."""
    job = await lab.start("web1", "db1")
    await lab.jobs.wait(job, timeout=10)
    for pattern, names in (
        (f"web,!@{job.id}:completed", ["web2", "web3"]),
        (f"all,&@{job.id}:completed", ["db1", "web1"]),
        (f"web,!@{job.id}:failed", ["web1", "web2", "web3"]),
    ):
        found = await lab.jobs.hosts(pattern, inventory=fleet)
        assert [host.name for host in found.hosts] == names
    with pytest.raises(UsageError, match=f"no host of job {job.id} is Failed"):
        await lab.jobs.hosts(f"web,@{job.id}:failed", inventory=fleet)
