"""What the arguments that Ansible gives to ssh say about the way to a host (ssh(1), ssh_config(5))."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

_WITH_VALUE = frozenset("BbcDEeFIiJLlmOoPpQRSWw")
"""Letters of ssh that take a value; the others are switches."""
_OTHER_WAY = {
    "p": "ansible_port",
    "l": "ansible_user",
    "i": "ansible_ssh_private_key_file",
    "port": "ansible_port",
    "user": "ansible_user",
    "identityfile": "ansible_ssh_private_key_file",
    "hostname": "ansible_host",
}
"""Arguments that say how a host is reached, and the variables that say the same."""
_UNREADABLE = {"f": "a file of settings (-F)", "s": "a connection of somebody else (-S)", "w": "a way through (-W)"}
_JUMP_COMMAND = re.compile(r"(?:exec\s+)?(?:\S*/)?ssh\s+(?P<words>.*)\Z")


def jump_of(arguments: str) -> str:
    """Return the host that the arguments go over, as `-J` names it; empty where they go straight.

    What does not change whom a connection reaches (how it is encrypted, kept, or logged) is passed over. Raises
    ValueError with the reason where they lead a way that opsrunner does not know, and a hint on a second line.
    """
    try:
        words = shlex.split(arguments)
    except ValueError as exc:
        raise ValueError(f"cannot be split into words ({str(exc).lower()})\nclose its quotes") from exc
    jump = ""
    for option, value in _options(words):
        jump = jump or _jump(option, value)
    return "" if jump.lower() == "none" else jump


def _options(words: list[str]) -> Iterator[tuple[str, str]]:
    """Yield (letter, value), or for `-o` (keyword in small letters, value)."""
    rest = iter(words)
    for word in rest:
        if not word.startswith("-") or len(word) < 2:
            raise ValueError(f"'{word[:60]}' is no option of ssh")
        letters = word[1:]
        while letters and letters[0] not in _WITH_VALUE:
            letters = letters[1:]
        if not letters:
            continue
        value = letters[1:] or next(rest, "")
        if letters[0] != "o":
            yield letters[0], value
            continue
        keyword, _, value = value.strip().replace("=", " ", 1).partition(" ")
        yield keyword.lower(), value.strip(" =\"'")


def _jump(option: str, value: str) -> str:
    if option in ("J", "proxyjump"):
        return value
    if option == "proxycommand":
        return "none" if value.lower() == "none" else _jump_of_command(value)
    if option in _OTHER_WAY:
        raise ValueError(f"'{option}' says how the host is reached\nuse {_OTHER_WAY[option]} for it")
    if option in ("F", "S", "W"):
        raise ValueError(f"has {_UNREADABLE[option.lower()]}, which is not read here\nuse ansible_ variables, or -J")
    return ""


def _jump_of_command(command: str) -> str:
    """Return the host of a ProxyCommand of the usual form: `ssh -W %h:%p -q USER@HOST`."""
    found = _JUMP_COMMAND.match(command)
    words = shlex.split(found["words"]) if found else []
    user = port = target = ""
    through = False
    while words:
        word = words.pop(0)
        if word.startswith("-") and len(word) > 1:
            letter, value = word[1], word[2:]
            if letter in _WITH_VALUE and not value:
                value = words.pop(0) if words else ""
            through = through or (letter == "W" and value in ("%h:%p", "[%h]:%p"))
            user, port = (value if letter == "l" else user), (value if letter == "p" else port)
            if letter in "FiJ" or (letter == "o" and re.match(r"(?i)proxy|identity|hostname|user\b|port\b", value)):
                through, words = False, []
        elif target:
            through, words = False, []
        else:
            target = word
    if not through or not target:
        raise ValueError("has a ProxyCommand that is not read here\nuse -J USER@HOST:PORT")
    target = f"{user}@{target}" if user and "@" not in target else target
    return f"{target}:{port}" if port else target
