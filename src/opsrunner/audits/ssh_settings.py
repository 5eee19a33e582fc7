"""Settings of a host's SSH server, as `sshd -T` or else its files tell of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from opsrunner.audits.baseline import Baseline
from opsrunner.audits.sections import NOTHING_THERE, Sections, clean, clean_subject
from opsrunner.audits.seen import Seen
from opsrunner.model.finding import Finding, Severity
from opsrunner.records import dataclass

CAUSE = "ssh-setting"
MAIN_FILE = "/etc/ssh/sshd_config"
_LINE = re.compile(r"([A-Za-z0-9]{1,40})(?:\s*=\s*|\s+)(.{1,300})\Z")
_OLD_NAMES = {"challengeresponseauthentication": "kbdinteractiveauthentication"}
_DEFAULTS = {"passwordauthentication": "yes", "kbdinteractiveauthentication": "yes"}
"""Of OpenSSH, where what it does by itself is worth telling."""


@dataclass(frozen=True, kw_only=True)
class _Rule:
    name: str
    severity: Severity
    is_bad: Callable[[str], bool]
    why: str


def _is_yes(value: str) -> bool:
    return value == "yes"


def _is_no(value: str) -> bool:
    return value == "no"


_RULES = {
    rule.name.lower(): rule
    for rule in (
        _Rule(
            name="PermitRootLogin",
            severity=Severity.HIGH,
            is_bad=_is_yes,
            why="root may log in with a password, too, where passwords are taken",
        ),
        _Rule(
            name="PasswordAuthentication",
            severity=Severity.MEDIUM,
            is_bad=_is_yes,
            why="passwords are taken, and tried day and night",
        ),
        _Rule(
            name="KbdInteractiveAuthentication",
            severity=Severity.MEDIUM,
            is_bad=_is_yes,
            why="PAM asks for passwords, although PasswordAuthentication says no",
        ),
        _Rule(
            name="PermitEmptyPasswords",
            severity=Severity.CRITICAL,
            is_bad=_is_yes,
            why="an account without a password is open to everyone",
        ),
        _Rule(
            name="HostbasedAuthentication",
            severity=Severity.MEDIUM,
            is_bad=_is_yes,
            why="whoever holds one host gets into this one",
        ),
        _Rule(
            name="IgnoreRhosts",
            severity=Severity.MEDIUM,
            is_bad=_is_no,
            why="accounts let others in by their own .rhosts",
        ),
        _Rule(
            name="PermitUserEnvironment",
            severity=Severity.MEDIUM,
            is_bad=lambda value: value != "no",
            why="accounts can get round what their keys are bound to",
        ),
        _Rule(
            name="StrictModes",
            severity=Severity.MEDIUM,
            is_bad=_is_no,
            why="keys count that others may write",
        ),
        _Rule(
            name="GatewayPorts",
            severity=Severity.LOW,
            is_bad=lambda value: value != "no",
            why="an account can open ports of this host to the net",
        ),
        _Rule(
            name="Protocol",
            severity=Severity.HIGH,
            is_bad=lambda value: "1" in value,
            why="protocol 1 is broken",
        ),
        _Rule(
            name="X11Forwarding",
            severity=Severity.LOW,
            is_bad=_is_yes,
            why="a host of servers has no use for it",
        ),
    )
}


@dataclass(frozen=True, kw_only=True)
class _Setting:
    name: str
    value: str
    match: str
    """The condition that it stands under, '' for all."""
    told_by: str


def judge_ssh(host: str, answer: Sections, baseline: Baseline) -> Seen:
    """Judge the settings that hold for all, and those under each Match. A host without an SSH server has none."""
    section = answer.by_name.get("ssh-settings")
    if section is not None and section.code == NOTHING_THERE:
        return Seen(examined=frozenset({CAUSE}), facts={"ssh": "no OpenSSH server"})
    lines = answer.lines("ssh-settings")
    effective = _effective(lines)
    files = _files(lines)
    from_files = list(_walk(files, MAIN_FILE, match="")) if MAIN_FILE in files else []
    problems = [problem] if (problem := answer.problem("ssh-settings", "SSH settings")) else _problems(effective, files)
    overall = effective or _first_of_each(setting for setting in from_files if not setting.match)
    if not overall and not problems:
        problems = ["SSH settings: the host tells of none"]
    settings = [*(_with_defaults(overall) if not problems or effective else overall).values()]
    settings += [setting for setting in from_files if setting.match]
    taken = _takes_passwords(overall)
    found = (_finding(host, setting, takes_passwords=taken) for setting in settings)
    return Seen(
        examined=frozenset() if problems else frozenset({CAUSE}),
        findings=tuple(finding for finding in found if finding and not baseline.allows_ssh(finding.subject)),
        problems=tuple(problems),
        facts={"ssh": "by sshd -T" if effective else "by its files", "ssh_passwords": taken} if overall else {},
    )


def _effective(lines: Sequence[str]) -> dict[str, _Setting]:
    told = (line.removeprefix("effective ") for line in lines if line.startswith("effective "))
    return _first_of_each(setting for line in told if (setting := _setting(line, match="", told_by="sshd -T")))


def _files(lines: Sequence[str]) -> dict[str, list[str] | None]:
    """Return what each file says, None for one that may not be read."""
    files: dict[str, list[str] | None] = {}
    path = ""
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "file":
            path = rest
            files.setdefault(path, [])
        elif line == "unread" and path:
            files[path] = None
        elif word == "says" and (said := files.get(path)) is not None:
            said.append(rest)
    return files


def _problems(effective: Mapping[str, _Setting], files: Mapping[str, list[str] | None]) -> list[str]:
    if effective:
        return []
    unread = [clean(path) for path, said in files.items() if said is None]
    nested = [
        clean(path)
        for path, said in files.items()
        if path != MAIN_FILE and any(line.lower().startswith("include") for line in said or ())
    ]
    return [f"SSH settings: this account may not read {path}" for path in unread] + [
        f"SSH settings: {path} includes further files, which were not looked at" for path in nested
    ]


def _walk(files: Mapping[str, list[str] | None], path: str, *, match: str) -> Iterator[_Setting]:
    """Yield what a file says, and at its place what a file says that it includes. A Match ends with its file."""
    for line in files.get(path) or ():
        parsed = _LINE.match(line.strip())
        if parsed is None:
            continue
        key, value = parsed[1].lower(), parsed[2].strip()
        if key == "match":
            match = "" if value.lower() == "all" else clean(value, most=80)
        elif key == "include" and path == MAIN_FILE:
            for pattern in value.split():
                whole = pattern.strip('"') if pattern.strip('"').startswith("/") else f"/etc/ssh/{pattern}"
                for name in sorted(name for name in files if name != path and fnmatchcase(name, whole)):
                    yield from _walk(files, name, match=match)
        elif setting := _setting(line, match=match, told_by=clean(path)):
            yield setting


def _setting(line: str, *, match: str, told_by: str) -> _Setting | None:
    parsed = _LINE.match(line.strip())
    if parsed is None:
        return None
    name = _OLD_NAMES.get(parsed[1].lower(), parsed[1].lower())
    value = parsed[2].partition("#")[0].strip().strip('"').lower()
    return _Setting(name=name, value=value, match=match, told_by=told_by)


def _first_of_each(settings: Iterator[_Setting]) -> dict[str, _Setting]:
    """Return what counts: of two lines with one name the SSH server takes the first."""
    first: dict[str, _Setting] = {}
    for setting in settings:
        first.setdefault(setting.name, setting)
    return first


def _with_defaults(overall: Mapping[str, _Setting]) -> dict[str, _Setting]:
    """Add what the SSH server does where nothing is said, and leave out what another setting makes harmless."""
    whole = {
        name: _Setting(name=name, value=value, match="", told_by="its default") for name, value in _DEFAULTS.items()
    } | dict(overall)
    by_pam = whole.get("usepam")
    if whole["passwordauthentication"].value == "yes" or by_pam is None or by_pam.value != "yes":
        del whole["kbdinteractiveauthentication"]
    return whole


def _takes_passwords(overall: Mapping[str, _Setting]) -> bool:
    whole = _with_defaults(overall)
    return any(
        whole[name].value == "yes"
        for name in ("passwordauthentication", "kbdinteractiveauthentication")
        if name in whole
    )


def _finding(host: str, setting: _Setting, *, takes_passwords: bool) -> Finding | None:
    rule = _RULES.get(setting.name)
    if rule is None or not rule.is_bad(setting.value):
        return None
    severity = rule.severity
    if rule.name == "PermitRootLogin" and not takes_passwords:
        severity = Severity.MEDIUM
    under = f" (Match {setting.match})" if setting.match else ""
    return Finding(
        host=host,
        cause=CAUSE,
        subject=clean_subject(f"{rule.name} {setting.value}{under}"),
        severity=severity,
        detail=f"{rule.why}; told by {setting.told_by}",
    )
