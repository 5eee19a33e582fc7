"""Every mistake of an inventory is told with its place, all of them in one pass."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from opsrunner.config.loader import SiteLoader

MINIMAL = """\
site: Example Hosting
people: {boss: {name: Boss, email: boss@example.com, roles: [owner]}}
"""
ANSIBLE = f"{MINIMAL}inventory: {{ansible: FILE}}\n"
CSV = f"{MINIMAL}inventory: {{csv: hosts.csv}}\n"
LISTED = "run: ansible-inventory -i {} --list --yaml > hosts.yaml, and name that file"

Maker = Callable[[Mapping[str, str]], Path]

INI = """\
[web]
web1 ansible_user='{{ user }}' ansible_port=70000
web2 ansible_user=yes ansible_port=yes
web3 ansible_port=0x16
web[1:x]
web[01:100]
web[3:1]
web[1:99999]
two words
web4 "unclosed
local
-dash
web5:
web6 ansible_host=root@192.0.2.1 ansible_user="ops; reboot"
[a b]
[web:childen]
[none:vars]
ansible_user=x
[some:children]
nowhere
some
"""
INI_SAID = """\
hosts:2:6: ansible_user: web1: is a template, and cannot be read without Ansible, write the value itself
hosts:2:32: port: web1: must be at most 65535
hosts:3:23: port: web2: must be a whole number, not 'yes'
hosts:4:6: ansible_port: web3: '0x16' is the number 22 to Ansible, write 22, or put quotes around it
hosts:5:1: the range [1:x] must go from one number or letter to another
hosts:6:1: both ends of the range [01:100] must have as many digits
hosts:7:1: the range [3:1] ends before it begins
hosts:8:1: the range [1:99999] stands for more than 10000 hosts
hosts:9:1: 'words' is no variable, write NAME key=value, without blanks around the =
hosts:10:1: the line cannot be split into words (no closing quotation), close its quotes
hosts:11:1: 'local' has a meaning of its own here, choose another name
hosts:12:1: '-dash' cannot be the name of a host or group, use ASCII letters, digits, '.', '_' and '-': NAME ansible_host=ADDRESS
hosts:13:1: 'web5:' ends with ':', write NAME, or NAME:PORT
hosts:14:6: address: web6: 'root@192.0.2.1' is no address, write user: root beside 192.0.2.1
hosts:14:34: user: web6: 'ops; reboot' is no account, use ASCII letters, digits, '_', '.', '@' and '-', 64 at the most
hosts:15:1: [a b] is no section, write [GROUP], [GROUP:children] or [GROUP:vars]
hosts:16:1: unknown kind of section 'childen', did you mean 'children'?
hosts:17:1: the group 'none' has variables and is not defined, add a section [none]
hosts:20:1: the group 'nowhere' is part of 'some' and is not defined, add a section [nowhere]
hosts:21:1: the group 'some' would be part of itself, take one of the two away
"""  # noqa: E501 - as they are printed
YAML = """\
all:
  hosts:
    web1: {ansible_port: 0022, ansible_user: no}
    web2: {ansible_host: !vault x, ansible_password: !vault y}
    web3: [a]
    10: {}
  childen: {}
  children:
    shop: text
    mail: {hosts: [a, b]}
"""
YAML_SAID = """\
hosts.yaml:3:26: ansible_port: web1: '0022' is the number 18 to Ansible, write 18, or put quotes around it
hosts.yaml:3:46: ansible_user: web1: 'no' is false to Ansible, put quotes around it if it is a text
hosts.yaml:4:26: ansible_host: web2: is encrypted with ansible-vault, and cannot be read without Ansible, write the plain value
hosts.yaml:5:5: the host 'web3' must have a mapping of variables, or nothing
hosts.yaml:6:5: '10' is no text to Ansible, put quotes around it
hosts.yaml:7:3: unknown key 'childen', did you mean 'children'?
hosts.yaml:9:5: the group 'shop' must be a mapping with hosts, children or vars
hosts.yaml:10:12: 'hosts' must be a mapping, write NAME: on each line, without '- '
"""  # noqa: E501 - as above
TABLE = """\
name,address,port
web1,192.0.2.1,x
web1,192.0.2.2,
web2,192.0.2.3
,192.0.2.4,
"""
TABLE_SAID = """\
hosts.csv:2:1: port: web1: must be a whole number, not 'x'
hosts.csv:3:1: 'web1' stands here twice, first in line 2, keep one of them
hosts.csv:4:1: has 2 cells, the header 3, put quotes around a cell with commas
hosts.csv:5:1: the host has no name, use ASCII letters, digits, '.', '_' and '-'
"""


@pytest.mark.parametrize(
    ("site", "file", "text", "said"),
    [
        pytest.param(ANSIBLE, "hosts", INI, INI_SAID, id="ini"),
        pytest.param(ANSIBLE, "hosts.yaml", YAML, YAML_SAID, id="yaml"),
        pytest.param(CSV, "hosts.csv", TABLE, TABLE_SAID, id="csv"),
        pytest.param(
            CSV,
            "hosts.csv",
            "host,ip\nweb1,192.0.2.1\n",
            "hosts.csv:1:1: there is no column 'name' for name, say which it is: columns: {name: TITLE}\n",
            id="csv without names",
        ),
        pytest.param(
            ANSIBLE,
            "hosts",
            "#!/usr/bin/python3\n",
            f"hosts:1:1: is a program, and programs are not run, {LISTED.format('hosts')}\n",
            id="a program",
        ),
        pytest.param(
            ANSIBLE,
            "cloud.yaml",
            "plugin: amazon.aws.aws_ec2\n",
            "cloud.yaml:1:1: is the configuration of a plugin, and plugins are not run here, "
            f"{LISTED.format('cloud.yaml')}\n",
            id="a plugin",
        ),
        pytest.param(
            ANSIBLE,
            "hosts.toml",
            "[web.hosts]\nweb1 = {}\n",
            f"hosts.toml:1:1: is TOML, which is not read here, {LISTED.format('hosts.toml')}\n",
            id="toml",
        ),
        pytest.param(
            ANSIBLE,
            "hosts.yaml",
            "$ANSIBLE_VAULT;1.1;AES256\n6162\n",
            f"hosts.yaml:1:1: is encrypted with ansible-vault, {LISTED.format('hosts.yaml')}\n",
            id="encrypted",
        ),
        pytest.param(
            ANSIBLE,
            "hosts.yaml",
            "all:\n  hosts: {web1: {ansible_user: a\n",
            "hosts.yaml:3:1: the { … } is not closed, close it with }, or put quotes around its texts\n",
            id="broken yaml",
        ),
        pytest.param(
            ANSIBLE,
            "hosts",
            "web1 ansible_ssh_common_args='-o ProxyCommand=\"nc %h %p\"'\n"
            "web2 ansible_ssh_extra_args='-p 2222'\n"
            "web3 ansible_ssh_args='-F other'\n",
            "hosts:1:6: ansible_ssh_common_args: web1: has a ProxyCommand that is not read here, "
            "use -J USER@HOST:PORT\n"
            "hosts:2:6: ansible_ssh_extra_args: web2: 'p' says how the host is reached, use ansible_port for it\n"
            "hosts:3:6: ansible_ssh_args: web3: has a file of settings (-F), which is not read here, "
            "use ansible_ variables, or -J\n",
            id="ways that ssh would go",
        ),
        pytest.param(
            ANSIBLE,
            "hosts",
            "web1\n[web1]\nweb2\n",
            "hosts:3:1: web2: the group 'web1' has the name of a host, rename one of them\n",
            id="a group with the name of a host",
        ),
    ],
)
def test_every_mistake_is_told_at_once(make_site: Maker, site: str, file: str, text: str, said: str) -> None:
    root = make_site({"opsrunner.yaml": site.replace("FILE", file), file: text})

    loaded = SiteLoader(root).load()

    assert "".join(f"{problem}\n" for problem in loaded.problems) == said
    assert loaded.site is None


def test_a_file_that_is_not_there_and_a_folder_are_told_apart(make_site: Maker) -> None:
    root = make_site({"opsrunner.yaml": f"{MINIMAL}inventory: [{{ansible: none}}, {{ansible: 'my inventory'}}]\n"})
    (root / "my inventory").mkdir()

    folder, missing = SiteLoader(root).load().problems

    assert (folder.file, folder.message) == ("my inventory", "is a folder, and folders are not read as inventories")
    assert folder.hint == LISTED.format("'my inventory'")
    assert str(missing) == "none:1:1: there is no such file"


def test_two_inventories_that_differ_over_a_host_are_told_with_both_places(make_site: Maker) -> None:
    files = {"a": "web1 ansible_host=192.0.2.1\n", "hosts.csv": "name,address,groups\nweb1,192.0.2.2,shop\n"}
    both = f"{MINIMAL}inventory: [{{ansible: a}}, {{csv: hosts.csv}}]\n"

    clash = SiteLoader(make_site({"opsrunner.yaml": both, **files})).load()
    settled = SiteLoader(make_site({"opsrunner.yaml": both + "hosts: {web1: {address: 192.0.2.3}}\n", **files})).load()

    assert [str(problem) for problem in clash.problems] == [
        (
            "hosts.csv:2:1: web1: has the address '192.0.2.2' here and '192.0.2.1' in a:1, "
            "keep one of them, or say it under hosts in opsrunner.yaml"
        )
    ]
    assert settled.problems == ()
    assert settled.site is not None
    assert settled.site.hosts["web1"].address == "192.0.2.3"
    assert settled.site.hosts["web1"].groups == ("shop",)


def test_a_file_that_anybody_may_change_is_refused(make_site: Maker) -> None:
    root = make_site({"opsrunner.yaml": ANSIBLE.replace("FILE", "hosts"), "hosts": "web1\n"})
    (root / "hosts").chmod(0o666)

    (problem,) = SiteLoader(root).load().problems

    assert str(problem).startswith("hosts:1:1: anybody on this machine may change it (mode 0666), run: chmod o-w ")


def test_hosts_that_are_not_reached_by_ssh_are_left_out_aloud(make_site: Maker) -> None:
    inventory = "here ansible_connection=local\nwin ansible_connection=winrm\nweb1 ansible_connection=ssh\n"
    root = make_site({"opsrunner.yaml": ANSIBLE.replace("FILE", "hosts"), "hosts": inventory})

    loaded = SiteLoader(root).load()

    assert loaded.site is not None
    assert list(loaded.site.hosts) == ["web1"]
    assert [str(warning) for warning in loaded.warnings] == [
        "hosts:1:6: here: is this machine (ansible_connection), which is called 'local' here; it is left out",
        "hosts:2:5: win: is reached by 'winrm', which opsrunner does not speak; it is left out",
    ]


def test_encrypted_variables_of_a_group_are_a_doubt_and_no_mistake(make_site: Maker) -> None:
    files = {"hosts": "[web]\nweb1\n", "group_vars/web/vault.yml": "$ANSIBLE_VAULT;1.1;AES256\n6162\n"}
    loaded = SiteLoader(make_site({"opsrunner.yaml": ANSIBLE.replace("FILE", "hosts"), **files})).load()

    assert loaded.problems == ()
    assert [str(warning) for warning in loaded.warnings] == [
        (
            "group_vars/web/vault.yml:1:1: is encrypted with ansible-vault; "
            "if it says how hosts are reached, that is not known here"
        )
    ]
