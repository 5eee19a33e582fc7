"""Inventories within a site: what goes before what, where hosts come from, and what stays in force."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from opsrunner.config.loader import SiteLoader
from opsrunner.model.site import Host, Site

SITE = """\
site: Example Hosting
people: {boss: {name: Boss, email: boss@example.com, roles: [owner]}}
inventory:
  - {ansible: ansible/hosts}
  - {csv: hosts.csv, columns: {name: host, address: ip}}
hosts:
  web1: {user: mine, groups: [own]}
  extra: {address: 192.0.2.9}
"""
FILES = {
    "opsrunner.yaml": SITE,
    "ansible/hosts": "[web]\nweb[1:2].example.com\nweb1 ansible_host=192.0.2.1 ansible_user=root ansible_port=2222\n",
    "ansible/group_vars/web.yml": "ansible_ssh_private_key_file: secrets/web\n",
    "hosts.csv": "host;ip;port;groups\nmail1;2001:db8::1;22;mail, shared\nweb1.example.com;;;shared\n",
    "routines/x.yaml": "name: X\naccountable: owner\nsteps: [{ssh: {hosts: [web, mail, mail1], run: 'true'}}]\n",
}
Maker = Callable[[Mapping[str, str]], Path]


def site_of(loader: SiteLoader) -> Site:
    loaded = loader.load()
    assert loaded.site is not None, loaded.problems
    return loaded.site


def change(file: Path, text: str) -> None:
    """Write a file so that its time differs, however fast that was."""
    before = file.stat().st_mtime_ns
    file.write_text(text, encoding="utf-8")
    os.utime(file, ns=(before + 1_000_000_000, before + 1_000_000_000))


def test_hosts_come_from_all_files_and_the_sites_own_keys_go_before(make_site: Maker) -> None:
    loader = SiteLoader(make_site(FILES))
    site = site_of(loader)

    assert site.hosts["web1"] == Host(
        name="web1", address="192.0.2.1", user="mine", port=2222, groups=("own",), key_file="secrets/web"
    )
    assert site.hosts["web2.example.com"] == Host(
        name="web2.example.com", address="web2.example.com", groups=("web",), key_file="secrets/web"
    )
    assert site.hosts["web1.example.com"].groups == ("web", "shared")
    assert site.hosts["mail1"] == Host(name="mail1", address="2001:db8::1", groups=("mail", "shared"))
    assert site.hosts_from == {
        "web1.example.com": "ansible/hosts:2",
        "web2.example.com": "ansible/hosts:2",
        "web1": "opsrunner.yaml, ansible/hosts:3",
        "mail1": "hosts.csv:2",
        "extra": "opsrunner.yaml",
    }
    assert site.broken == {}
    assert loader.load().changed is False


def test_a_routine_that_names_no_host_of_any_file_is_told(make_site: Maker) -> None:
    loaded = SiteLoader(make_site({**FILES, "hosts.csv": "host,ip\nmail2,192.0.2.5\n"})).load()

    assert [problem.message for problem in loaded.broken["x"]] == [
        "unknown host or group 'mail'",
        "unknown host or group 'mail1'",
    ]


def test_a_changed_file_is_noticed_wherever_it_lies(make_site: Maker) -> None:
    root = make_site(FILES)
    loader = SiteLoader(root)
    site_of(loader)

    change(root / "hosts.csv", "host,ip,groups\nmail1,192.0.2.77,mail\n")
    assert site_of(loader).hosts["mail1"].address == "192.0.2.77"
    change(root / "ansible/group_vars/web.yml", "ansible_ssh_private_key_file: secrets/other\n")
    assert site_of(loader).hosts["web1"].key_file == "secrets/other"
    (root / "ansible/host_vars").mkdir()
    (root / "ansible/host_vars/web1").write_text("ansible_port: 2200\n", encoding="utf-8")
    assert site_of(loader).hosts["web1"].port == 2200


def test_a_file_that_breaks_leaves_the_last_good_hosts_in_force_and_is_told(make_site: Maker) -> None:
    root = make_site(FILES)
    loader = SiteLoader(root)
    before = site_of(loader)

    change(root / "ansible/hosts", "[web]\nweb1 oops\n")
    broken = loader.load()
    change(root / "opsrunner.yaml", SITE.replace("Example Hosting", "Renamed"))
    renamed = site_of(loader)
    (root / "ansible/hosts").unlink()
    gone = loader.load()
    (root / "ansible/hosts").write_text("web1\nweb7\n[web]\nweb7\n", encoding="utf-8")
    mended = loader.load()

    assert [str(problem) for problem in broken.problems] == [
        "ansible/hosts:2:1: 'oops' is no variable, write NAME key=value, without blanks around the ="
    ]
    assert broken.site is not None
    assert broken.site.hosts == before.hosts
    assert broken.broken == {}
    assert (renamed.name, renamed.hosts) == ("Renamed", before.hosts)
    assert [str(problem) for problem in gone.problems] == ["ansible/hosts:1:1: there is no such file"]
    assert gone.site is not None
    assert mended.site is not None
    assert "web7" in mended.site.hosts


def test_the_last_good_hosts_outlive_the_program(make_site: Maker) -> None:
    root = make_site(FILES)
    before = SiteLoader(root).load()
    (root / "hosts.csv").write_text("host;ip\nmail1;not an address\n", encoding="utf-8")

    without = SiteLoader(root).load()
    started = SiteLoader(root, last_inventory=lambda: before.inventory_text).load()
    of_another_form = SiteLoader(root, last_inventory=lambda: '{"web1": []}').load()

    assert before.site is not None
    assert started.site is not None
    assert (started.site.hosts, started.site.hosts_from) == (before.site.hosts, before.site.hosts_from)
    assert [problem.file for problem in started.problems] == ["hosts.csv"]
    assert started.broken == {}
    assert (without.site, of_another_form.site) == (None, None)


def test_a_folder_above_an_inventory_that_anybody_may_change_is_told(make_site: Maker, tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere" / "inventory"
    outside.mkdir(parents=True)
    (outside / "hosts").write_text("web1\n", encoding="utf-8")
    root = make_site(
        {"opsrunner.yaml": SITE.split("inventory:", maxsplit=1)[0] + f"inventory: {{ansible: {outside}/hosts}}\n"}
    )
    outside.parent.chmod(0o777)

    loaded = SiteLoader(root).load()

    assert [(problem.file, problem.hint) for problem in loaded.problems] == [
        (str(outside.parent), f"run: chmod o-w {outside.parent}")
    ]
    assert loaded.site is None
