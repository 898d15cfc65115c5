"""What Ansible makes of its own inventory files, and what we make of them, is the same.

ansible-core itself is asked: by ``ansible-inventory --list`` for each set of files, and
in one process for the many that hypothesis makes.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st

from remjobs.errors import UsageError
from remjobs.inventory.files import InventoryFile
from remjobs.inventory.merged import Merged
from remjobs.inventory.script import InventoryScript
from remjobs.inventory.select import Sources, select
from remjobs.model.request import Targets

BIN = Path(sys.executable).parent
LISTER = Path(__file__).parents[1] / "support" / "ansible_list.py"

SCRIPT = """#!/bin/sh
case $1 in
--list) echo '{"web": {"hosts": ["w1", "w2"], "vars": {"a": [1, {"b": null}]},
               "children": ["in"]},
               "old": ["w2", "o"], "odd": {"x": 1}, "in": {"vars": {"a": 2}},
               "none": {"hosts": []}%s}';;
--host) echo "{\\"own\\": \\"$2\\"}";;
esac
"""

FIXTURES = {
    "ini": {
        "hosts": """
# a comment
; another
alone.example.com
mail ansible_host=192.0.2.1 ansible_port=2222   # at the end
[web]
web[01:03].example.com http=80
web[08:12:2]
n[1:2]-[a:c] x='a b' y="q # r" z=[1,{'a':None}] t=(1,2) f=1.5 b=True s=yes n=None h=0x10
10.0.0.[1:3]:2200
[db]
db-[a:c]
web01.example.com http=81
[db:vars]
quoted="kept quotes"
spaced =  a value = with equals
number=007
template={{ x }}
ansible_group_priority=5
[prod:children]
web
db
[prod:vars]
level=prod
who=prod
[web:vars]
level=web
who=web
[all:vars]
level=all
base=1
[empty]
[ungrouped:vars]
u=1
""",
    },
    "order": {
        "hosts": "[b:children]\na\n[a]\nh\n[z]\nh\n[m:children]\nn\n[n:children]\no\n[o]\nh\n"
        + "".join(f"[{g}:vars]\nv={g}\nv_{g}={g}\n" for g in "bazmno")
        + "[p1]\nh\n[p2]\nh\n[p1:vars]\nansible_group_priority=9\nw=p1\n[p2:vars]\nw=p2\n",
    },
    "yaml": {
        "hosts.yaml": """
all:
  vars: {a: all, list: &l [1, 2], octal: 010, date: 2020-01-01, yes_: yes, n: null, e: 1e3}
  hosts:
    alone:
    'w[1:3]:2222': {x: 1}
    "[::1]:22": {}
  children:
    web:
      hosts: {w1: {<<: &m {m: 1, n: 2}, n: 3}, w2: , c1: {l: *l}}
      vars: {a: web, d: {k: v, 1: 2}}
      children:
        inner:
          hosts: w9
          vars: {a: inner}
    db:
      hosts:
        w1: {q: '{{ x }}', s: "no", t: 1_000, f: .5, sex: 1:30}
      children: {web: {vars: {late: 1}}}
      vars:
      other: {x: 1}
""",
    },
    "json": {
        "hosts.json": '{"all": {"hosts": {"a": {"x":1}}, "children": {"g": {"hosts": {"a": {}}}}}}',
    },
    "vars": {
        "hosts": "[web]\nw1 v=inline own=1\nw2\n[db]\nw1\n[prod:children]\nweb\ndb\n"
        "[web:vars]\nv=web\nz=web\nall_wins=web\n[all:vars]\nv=all\nz=all\n",
        "group_vars/all": "all_wins: folder\nz: folder_all\n",
        "group_vars/all.yml": "never: 1\n",
        "group_vars/web/a.yml": "f: 1\ng: 1\n",
        "group_vars/web/b": "g: 2\n",
        "group_vars/web/c.json": '{"j": [1]}',
        "group_vars/web/.d.yml": "never: 1\n",
        "group_vars/web/e.txt": "never: 1\n",
        "group_vars/web/deeper/x.yml": "deep: 1\n",
        "group_vars/prod.yaml": "z: prod\np: 1\n",
        "group_vars/ungrouped.yml": "never: 1\n",
        "host_vars/w1.yml": "v: host_vars\n",
        "host_vars/w2": "---\nv: w2\n",
    },
    "folder": {
        "inv/10-first": "[web]\nw1 x=1 y=1\nw2\n[web:vars]\nv=1\nw=1\n",
        "inv/20-second.yaml": "web: {hosts: {w1: {x: 2}}, vars: {v: 2}}\ndb: {children: {web: }}\n",
        "inv/30.cfg": "never\n",
        "inv/deep/40": "[late]\nw2 z=1\n",
        "inv/group_vars/web.yml": "w: folder\n",
    },
    "meta": {"script": SCRIPT % ', "_meta": {"hostvars": {"w1": {"own": {"k": 1}}}}'},
    "no-meta": {"script": SCRIPT % ""},
    "several": {
        "a/hosts": "[web]\nw1 x=a\nw2\n[web:vars]\nv=a\nw=a\n[kid]\nw1\n[kid:vars]\nk=a\n",
        "a/group_vars/kid.yml": "k: fa\n",
        "b/hosts.yml": "web: {hosts: {w1: {x: b}, w3: }, vars: {v: b}, children: {kid: }}\n",
        "b/group_vars/web.yml": "k: fb\nw: fb\n",
    },
}
SOURCES = {
    "folder": ["inv"],
    "several": ["a/hosts", "b/hosts.yml"],
    "yaml": ["hosts.yaml"],
    "json": ["hosts.json"],
    "meta": ["script"],
    "no-meta": ["script"],
}


def environment(folder):
    """Nothing of the machine's own settings."""
    config = folder / "ansible.cfg"
    config.touch()
    kept = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(folder)}
    return kept | {"ANSIBLE_HOME": str(folder / ".ansible"), "ANSIBLE_CONFIG": str(config)}


def written(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if text.startswith("#!"):
            path.chmod(0o755)


def read(paths):
    """Return what we make of these sources."""
    sources = (
        InventoryScript(path, path.parent) if path.name == "script" else InventoryFile(path)
        for path in paths
    )
    return Merged([found for source in sources for found in source.load()], Path("/"))


def as_json(value):
    return json.loads(json.dumps(value))


def listed(paths, folder):
    """Return the groups with all their hosts, and the hosts' variables, as Ansible lists them."""
    words = [str(BIN / "ansible-inventory"), "--list"]
    words += [word for path in paths for word in ("-i", str(path))]
    done = subprocess.run(
        words, check=True, capture_output=True, env=environment(folder), timeout=100
    )
    said = json.loads(done.stdout)
    assert b"Unable to parse" not in done.stderr, done.stderr
    variables = said.pop("_meta")["hostvars"]

    def hosts(group):
        own = said.get(group, {})
        below = (hosts(child) for child in own.get("children", []))
        return set(own.get("hosts", [])).union(*below)

    return {group: hosts(group) for group in said}, variables


@pytest.mark.parametrize("name", FIXTURES)
def test_the_selection_is_what_ansible_inventory_lists(tmp_path, name):
    """Hosts, groups and every variable of every host."""
    written(tmp_path, FIXTURES[name])
    paths = [tmp_path / source for source in SOURCES.get(name, ["hosts"])]
    groups, variables = listed(paths, tmp_path)
    merged = read(paths)
    assert set(merged.hosts) == groups["all"]
    found = {group: set(merged.members(group)) for group in merged.groups}
    assert {group: hosts for group, hosts in found.items() if hosts} == {
        group: hosts for group, hosts in groups.items() if hosts
    }
    for host in merged.hosts:
        assert as_json(merged.host(host).variables) == variables.get(host, {}), host


# Many, made by hypothesis

NAMES = st.sampled_from(["a", "b", "c", "web1", "web2", "db-1", "x.y"])
GROUPS = st.sampled_from(["g", "h", "i", "j", "k", "web"])
VALUES = st.sampled_from(["1", "x", "'q r'", "[1]", "True", "0.5", "''", "a=b"])
VARIABLES = st.dictionaries(st.sampled_from(["p", "q", "r"]), VALUES, max_size=2)


@st.composite
def inventories(draw):
    """Return an INI inventory whose groups are below those of earlier letters only."""
    lines = [
        f"{name} {' '.join(f'{k}={v}' for k, v in draw(VARIABLES).items())}"
        for name in draw(st.lists(NAMES, max_size=3))
    ]
    groups = sorted(draw(st.sets(GROUPS, min_size=1)))
    for at, group in enumerate(groups):
        lines.append(f"[{group}]")
        lines += [
            f"{name} {' '.join(f'{k}={v}' for k, v in draw(VARIABLES).items())}"
            for name in draw(st.lists(NAMES, max_size=3))
        ]
        lines.append(f"[{group}:vars]")
        lines += [f"{k}={v}" for k, v in draw(VARIABLES).items()]
        if draw(st.booleans()):
            lines.append(f"ansible_group_priority={draw(st.integers(1, 3))}")
        if below := groups[at + 1 :]:
            children = draw(st.sets(st.sampled_from(below)))
            lines += [f"[{group}:children]", *sorted(children)]
    return "\n".join(lines) + "\n"


PLAIN = "a b web1 g h web all * web* ? ~^w.*[12]$ ~b|c db-* x.* ungrouped"
TERMS = PLAIN.split()
FLAT = "[g]\na\nb\nc\n[h]\nd\nb\n"
NUMBERS = ["g[0]", "g[-1]", "g[1:]", "g[0:1]", "g[1:2],h", "g[0:9]", "h[1],g[0]", "g,!g[0]", "g[9]"]
"""Where groups are below others, Ansible's order is not the same at every run."""
PATTERNS = st.lists(
    st.tuples(st.sampled_from(["", "", "&", "!"]), st.sampled_from(TERMS)), min_size=1, max_size=4
)


def examples(strategy, count):
    """Return so many examples of a strategy, always the same ones."""
    found = []

    def collect(example):
        found.append(example)
        return len(found) >= count

    find(
        strategy,
        collect,
        settings=settings(
            max_examples=count * 10,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    return found[:count]


def test_what_hypothesis_makes_is_read_and_selected_the_same(tmp_path):
    """Groups, variables and patterns of a hundred inventories, asked of Ansible at once."""
    texts = examples(inventories(), 100)
    made = [
        ",".join(operator + term for operator, term in parts) for parts in examples(PATTERNS, 200)
    ]
    patterns = list(dict.fromkeys(made))
    questions = []
    for number, text in enumerate(texts):
        path = tmp_path / f"i{number}"
        path.write_text(text)
        some = [patterns[(number * 7 + at) % len(patterns)] for at in range(7)]
        questions.append({"sources": [str(path)], "patterns": [*TERMS, *some]})
    texts.append(FLAT)
    (tmp_path / "flat").write_text(FLAT)
    questions.append({"sources": [str(tmp_path / "flat")], "patterns": [*TERMS, *NUMBERS]})
    done = subprocess.run(
        [sys.executable, str(LISTER)],
        input=json.dumps(questions).encode(),
        check=True,
        capture_output=True,
        env=environment(tmp_path),
        timeout=110,
    )
    for text, question, answer in zip(texts, questions, json.loads(done.stdout), strict=True):
        merged = read(map(Path, question["sources"]))
        assert {g: set(merged.members(g)) for g in merged.groups} == {
            g: set(hosts) for g, hosts in answer["groups"].items()
        }, text
        for host in merged.hosts:
            assert as_json(merged.host(host).variables) == answer["variables"][host], (host, text)
        sources = Sources(Targets(inventories=tuple(question["sources"])), "/", ())
        for pattern in question["patterns"]:
            ours, theirs = chosen(pattern, sources), answer["patterns"]
            names_nothing = any(
                not theirs[term] for term in re.split("[,&!]+", pattern) if term in theirs
            )
            same = (ours or set()) == set(theirs[pattern])
            assert same or (ours is None and names_nothing), (pattern, text)


def chosen(pattern, sources):
    """Return the names that we select; None where a term that names nothing is an error."""
    try:
        return {host.name for host in select(sources, Targets(include=(pattern,))).hosts}
    except UsageError:
        return None
