"""The way to a host, out of the arguments that Ansible would give to ssh."""

import pytest

from opsrunner.config.inventories.ssh_arguments import jump_of


@pytest.mark.parametrize(
    ("arguments", "jump"),
    [
        ("", ""),
        ("-C -o ControlMaster=auto -o ControlPersist=60s", ""),
        ("-o StrictHostKeyChecking=no -oUserKnownHostsFile=/dev/null -4vA", ""),
        ("-J ops@jump.example.com:2200", "ops@jump.example.com:2200"),
        ("-Jjump", "jump"),
        ("-CJ jump", "jump"),
        ("-o ProxyJump=jump,second", "jump,second"),
        ("-oProxyJump=jump", "jump"),
        ("-o 'ProxyJump jump'", "jump"),
        ("-o 'proxyjump = jump'", "jump"),
        ("-o ProxyJump=none -J later", ""),  # of two, ssh takes the first
        ("-J first -o ProxyJump=second", "first"),
        ("-o ProxyCommand=none", ""),
        ('-o ProxyCommand="ssh -W %h:%p -q ops@jump"', "ops@jump"),
        ('-o ProxyCommand="ssh -q ops@jump -W %h:%p"', "ops@jump"),
        ('-o ProxyCommand="/usr/bin/ssh -p 2200 -l ops -W [%h]:%p jump"', "ops@jump:2200"),
    ],
)
def test_the_host_in_between_is_found(arguments: str, jump: str) -> None:
    assert jump_of(arguments) == jump


@pytest.mark.parametrize(
    "arguments",
    [
        '-o ProxyCommand="nc -x proxy:1080 %h %p"',
        '-o ProxyCommand="ssh jump nc %h %p"',
        '-o ProxyCommand="ssh -i other -W %h:%p jump"',
        '-o ProxyCommand="ssh -W other:22 jump"',
        '-o ProxyCommand="ssh -o User=x -W %h:%p jump"',
        "-p 2222",
        "-l root",
        "-i key",
        "-o Port=2222",
        "-oHostName=192.0.2.1",
        "-F settings",
        "-S socket",
        "jump",
        "-J 'not closed",
    ],
)
def test_a_way_that_is_not_understood_is_never_passed_over(arguments: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        jump_of(arguments)
