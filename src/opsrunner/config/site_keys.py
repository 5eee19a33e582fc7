"""What `opsrunner.yaml` may say about people, machines, mail and data."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, StrictInt, ValidationInfo, field_validator, model_validator

from opsrunner.config.fields import (
    Email,
    Flag,
    HostName,
    HostNames,
    Hours,
    Keys,
    Names,
    Phone,
    PositiveSeconds,
    Text,
    Url,
)
from opsrunner.expiries.bootstrap import is_trusted
from opsrunner.expiries.names import BadName, to_ascii
from opsrunner.model.expiry import IANA_RDAP, RdapSettings
from opsrunner.model.person import Person
from opsrunner.model.site import Host, Limits, MailSettings, SmtpSettings
from opsrunner.steps.fields import Bytes, Seconds, Secret

_ADDRESS = re.compile(r"[A-Za-z0-9_:][A-Za-z0-9._:%-]*\Z")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*\$?\Z")
"""Accounts as useradd(8) makes them, and of directories (`ops@example.com`): what a line of a script may hold."""
_LISTEN = re.compile(r"\S+:[0-9]{1,5}\Z")
_PORTS = {"starttls": 587, "tls": 465, "none": 25}


def _check_address(text: str) -> str:
    """Return the address of a machine; names outside ASCII are for whoever knows their `xn--` form."""
    if _ADDRESS.match(text) and len(text) <= 253:
        return text
    user, sign, rest = text.rpartition("@")
    hint = "an IPv6 address stands without brackets" if text.startswith("[") else "write a name or an IP address"
    raise ValueError(f"'{text[:60]}' is no address\n{f'write user: {user[:60]} beside {rest[:60]}' if sign else hint}")


def _check_user(text: str) -> str:
    """Return the name of an account; the empty one is that of this process."""
    if not text or (_USER.match(text) and len(text) <= 64):
        return text
    raise ValueError(f"{text[:60]!r} is no account\nuse ASCII letters, digits, '_', '.', '@' and '-', 64 at the most")


def _check_listen(text: str) -> str:
    if not _LISTEN.match(text) or not 0 < int(text.rpartition(":")[2]) < 65536:
        raise ValueError(f"'{text[:60]}' is not an address and port such as 127.0.0.1:8420")
    return text


Address: TypeAlias = Annotated[Text, AfterValidator(_check_address)]
User: TypeAlias = Annotated[str, AfterValidator(_check_user)]
Port: TypeAlias = Annotated[int, Field(ge=1, le=65535, strict=True)]


def is_loopback(host: str) -> bool:
    """Tell whether a mail server's name is this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class PersonKeys(Keys):
    """Somebody of the team."""

    name: Text
    email: Email
    roles: Names = ()
    phone: Phone | None = Field(default=None, description="Shown to the others of the team.")
    login: Text | None = Field(default=None, description="The OS user that is this person on the command line.")
    quiet: Hours | None = Field(default=None, description="Hours without mails that are not urgent.")

    def to_person(self, id_: str) -> Person:
        """Return the person for everybody else."""
        return Person(
            id=id_,
            name=self.name,
            email=self.email,
            roles=self.roles,
            phone=self.phone,
            login=self.login,
            quiet=self.quiet,
        )


class HostKeys(Keys):
    """One machine."""

    address: Address | None = Field(default=None, description="Needed, unless an inventory says it.")
    user: User = ""
    port: Port = 22
    groups: HostNames = ()
    key_file: Text | None = Field(default=None, description="Private key. Default: secrets/ssh_key.")
    jump: HostName | None = Field(default=None, description="Another host, through which this one is reached.")
    sessions: int = Field(
        default=4, ge=1, le=100, strict=True, description="How many commands run there at once; more wait."
    )

    def over(self, inventory: HostKeys) -> HostKeys:
        """Return the machine as an inventory has it, with all that is said here instead."""
        return inventory.model_copy(update={key: getattr(self, key) for key in self.model_fields_set})

    def to_host(self, name: str) -> Host:
        """Return the machine for the fleet; it has an address, and what it is reached through comes from elsewhere."""
        return Host(
            name=name,
            address=self.address or "",
            user=self.user,
            port=self.port,
            groups=self.groups,
            key_file=self.key_file,
            sessions=self.sessions,
        )


class SmtpKeys(Keys):
    """How to reach the mail server."""

    host: Text
    security: Literal["starttls", "tls", "none"] = "starttls"
    port: Port | None = None
    username: Text | None = None
    password: Secret | None = None
    verify: Flag = True
    timeout: PositiveSeconds = 30

    @field_validator("security")
    @classmethod
    def _open_only_here(cls, value: str, info: ValidationInfo) -> str:
        if value == "none" and not is_loopback(str(info.data.get("host", "localhost"))):
            raise ValueError("'none' is for a mail server on this machine only\nuse starttls or tls")
        return value

    @model_validator(mode="after")
    def _both_or_neither(self) -> SmtpKeys:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password go together")
        return self

    def to_settings(self) -> SmtpSettings:
        """Return the settings for mail; without a port, the usual one of this security."""
        return SmtpSettings(
            host=self.host,
            port=self.port or _PORTS[self.security],
            security=self.security,
            username=self.username,
            password=self.password,
            verify=self.verify,
            timeout_seconds=self.timeout,
        )


class MailKeys(Keys):
    """Who our mails come from, and how they leave."""

    from_: Email = Field(alias="from")
    smtp: SmtpKeys | None = None
    maildir: Text | None = Field(default=None, description="A folder instead of a mail server.")

    @field_validator("maildir")
    @classmethod
    def _one_way(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("smtp") is not None:
            raise ValueError("cannot stand with smtp\nkeep one of them")
        return value

    def to_settings(self) -> MailSettings:
        """Return the settings for mail."""
        smtp = self.smtp.to_settings() if self.smtp else None
        return MailSettings(from_=self.from_, smtp=smtp, maildir=self.maildir)


class LimitKeys(Keys):
    """Bounds of the daemon."""

    workers: int = Field(default=16, ge=1, le=256, strict=True)
    output: Bytes = 1_000_000
    keep_runs: PositiveSeconds = 400 * 86400
    keep_tasks: PositiveSeconds = 1100 * 86400
    grace: Seconds = 30

    def to_limits(self) -> Limits:
        """Return the bounds of the daemon."""
        return Limits(
            workers=self.workers,
            output_bytes=self.output,
            keep_runs_seconds=self.keep_runs,
            keep_tasks_seconds=self.keep_tasks,
            grace_seconds=self.grace,
        )


class HeartbeatKeys(Keys):
    """Whom to tell that we live."""

    url: Url | Secret


class WebKeys(Keys):
    """Where the page listens and how it is called from outside."""

    listen: Annotated[str, AfterValidator(_check_listen)] = "127.0.0.1:8420"
    url: Url | Literal[""] = ""

    @model_validator(mode="after")
    def _check_reach(self) -> WebKeys:
        """Refuse to be reached from elsewhere without HTTPS: sign-in links and sessions would be read on the way."""
        if not is_loopback(self.listen.rpartition(":")[0].strip("[]")) and not self.url.startswith("https://"):
            raise ValueError(
                f"{self.listen} is reached from elsewhere: give `url: https://…` under which a proxy with TLS serves "
                "the page, or listen at 127.0.0.1"
            )
        return self


def _check_suffix(name: str) -> str:
    """Return a top-level domain, or a longer suffix, in its ASCII form."""
    try:
        return to_ascii(name.removeprefix("."))
    except BadName as exc:
        raise ValueError(f"'{name[:60]}' is no top-level domain: {exc}") from exc


def _check_trust(address: str) -> str:
    if not is_trusted(address):
        raise ValueError(f"'{address[:60]}' has no TLS: anybody on the way could write what it answers\nuse https://")
    return address


TrustedUrl: TypeAlias = Annotated[Url, AfterValidator(_check_trust)]


class RdapKeys(Keys):
    """Whom to ask for the dates of domains."""

    bases: dict[Annotated[Text, AfterValidator(_check_suffix)], TrustedUrl | None] = Field(
        default_factory=dict,
        description="By top-level domain: the address that questions begin with; null: nobody is asked.",
    )
    bootstrap: TrustedUrl | Literal[""] = Field(
        default=IANA_RDAP, description="The list of all registries. Empty: it is not fetched, the packaged one holds."
    )

    def to_settings(self) -> RdapSettings:
        """Return whom to ask."""
        return RdapSettings(bases=self.bases, bootstrap=self.bootstrap)


class SampleKeys(Keys):
    """This site's data are invented: `var/sample/*.csv` is written anew."""

    seed: StrictInt
