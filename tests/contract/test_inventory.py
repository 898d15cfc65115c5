"""What every InventorySource must do: each form of file, and a program that prints one."""

from pathlib import Path

import pytest

from remjobs.errors import InventoryError
from remjobs.inventory.base import Setting
from remjobs.inventory.files import InventoryFile
from remjobs.inventory.merged import Merged
from remjobs.inventory.script import InventoryScript

GOOD = {
    "list.txt": "b1\na[1-2]\n",
    "list.ini": "b1\na[1:2]\n",
    "list.yaml": "all: {hosts: {b1: , 'a[1:2]': }}\n",
    "list.json": '{"all": {"hosts": {"b1": null, "a[1:2]": {}}}}\n',
    "list.toml": 'hosts = ["b1", "a[1-2]"]\n',
    "list.csv": "name\nb1\na[1-2]\n",
    "ssh_config": "Host b1\n  Port 22\nHost a1 a2 *.example.com !x\n",
    "hosts": "10.0.0.9 b1\n10.0.0.1 a1\n10.0.0.2 a2\n",
    "script": '#!/bin/sh\necho \'{"all": ["b1", "a1", "a2"], "_meta": {"hostvars": {}}}\'\n',
}
BAD = {
    "list.txt": ("b\na b\n", 2),
    "list.ini": ("b\n-a x=1\n", 2),
    "list.yaml": ("all:\n  hosts: {a b: }\n", 2),
    "list.json": ('{"all":\n {"hosts": {"a b": {}}}}\n', 2),
    "list.toml": ("[hosts]\n'a b' = {}\n", 2),
    "list.csv": ("name\na b\n", 2),
    "ssh_config": ("Host b\nHost 'a b'\n", 2),
    "hosts": ("10.0.0.1 b\n10.0.0.2 a/b\n", 2),
    "script": ('#!/bin/sh\necho \'{"all": ["a b"]}\'\n', 0),
}
EMPTY = {
    "list.csv": "name\n",
    "list.json": "{}",
    "script": "#!/bin/sh\necho '{}'\n",
}
WITH_PORT = {
    "list.txt": "b\na:2222\n",
    "list.ini": "b\na ansible_port=2222\n",
    "list.yaml": "all:\n  hosts: {a: {ansible_port: 2222}}\n",
    "list.json": '{"all": {"hosts":\n {"a": {"ansible_port": 2222}}}}\n',
    "list.toml": "[hosts.a]\nport = 2222\n",
    "list.csv": "name,port\na,2222\n",
    "script": "#!/bin/sh\necho '"
    '{"g": ["a"], "_meta": {"hostvars": {"a": {"ansible_port": 2222}}}}'
    "'\n",
}


@pytest.fixture(params=GOOD)
def name(request):
    """Each kind of source in turn."""
    return request.param


def made(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return opened(path)


def opened(path):
    return InventoryScript(path, path.parent) if path.name == "script" else InventoryFile(path)


def loaded(source):
    return Merged(source.load(), Path("/"))


def test_hosts_come_in_the_order_of_the_source(tmp_path, name):
    """By name, ranges expanded, each with where it is named."""
    source = made(tmp_path / name, GOOD[name])
    found = loaded(source)
    assert list(found.hosts) == ["b1", "a1", "a2"]
    assert found.host("a1").name == "a1"
    assert found.places["b1"].file.startswith(str(tmp_path / name))
    assert source.name == str(tmp_path / name)


@pytest.mark.parametrize("name", WITH_PORT)
def test_settings_say_where_they_come_from(tmp_path, name):
    """File, and line where the form has lines."""
    found = loaded(made(tmp_path / name, WITH_PORT[name]))
    assert found.host("a").port == 2222
    [setting] = found.settings("a").values()
    assert isinstance(setting, Setting)
    assert setting.value == 2222
    lines = {"script": (f"{tmp_path / name} --list", 0)}
    assert tuple(setting.place) == lines.get(name, (str(tmp_path / name), 2))


def test_an_error_names_file_and_line(tmp_path, name):
    """And what was expected."""
    text, line = BAD[name]
    where = f":{line}" if line else " --list"
    with pytest.raises(InventoryError, match=rf"{tmp_path / name}{where}: .*host name"):
        loaded(made(tmp_path / name, text))


def test_an_empty_source_has_no_hosts(tmp_path, name):
    """That is no error in itself."""
    source = made(tmp_path / name, EMPTY.get(name, "# nothing yet\n"))
    assert loaded(source).hosts == {}


def test_what_is_not_there_is_named(tmp_path, name):
    """With the system's reason."""
    with pytest.raises(InventoryError, match=rf"{tmp_path / name}.*: .*No such file"):
        loaded(opened(tmp_path / name))
