"""What every InventorySource must do."""

import pytest

from remjobs.errors import InventoryError
from remjobs.inventory.files import InventoryFile
from remjobs.model.host import Host

GOOD = {
    "list.txt": "b1\na[1-2]\n",
    "list.yaml": "hosts: [b1, 'a[1-2]']\n",
}
BAD = {"list.txt": "a b\n", "list.yaml": "hosts: [a b]\n"}


@pytest.fixture(params=GOOD)
def name(request):
    """Each kind of file in turn."""
    return request.param


def test_hosts_come_in_the_order_of_the_file(tmp_path, name):
    """By name, ranges expanded."""
    path = tmp_path / name
    path.write_text(GOOD[name])
    found = InventoryFile(path).load()
    assert list(found.hosts) == ["b1", "a1", "a2"]
    assert found.hosts["a1"] == Host(name="a1")
    assert found.groups == {}


def test_an_error_names_file_and_line(tmp_path, name):
    """And what was expected."""
    path = tmp_path / name
    path.write_text(BAD[name])
    with pytest.raises(InventoryError, match=rf"{path}:1: .*host name"):
        InventoryFile(path).load()


def test_an_empty_file_has_no_hosts(tmp_path, name):
    """That is no error in itself."""
    path = tmp_path / name
    path.write_text("# nothing yet\n")
    assert InventoryFile(path).load().hosts == {}


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_what_cannot_be_read_is_named(tmp_path, name, kind):
    """With the system's reason."""
    path = tmp_path / name
    if kind == "folder":
        path.mkdir()
    with pytest.raises(InventoryError, match=f"{path}: cannot read the inventory"):
        InventoryFile(path).load()
