"""Mails become threads by what they answer, and a thread tells who has to write next. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import field
from datetime import datetime

from opsrunner.records import dataclass
from opsrunner.sources.mail_headers import Heads

US, THEM = "us", "them"


@dataclass(frozen=True, kw_only=True)
class Mail:
    """One mail of a mailbox."""

    heads: Heads
    at: datetime
    """When the server took it: what the mail itself says anybody can write."""
    folder: str
    uid: int
    flags: tuple[str, ...]
    """`seen`, `answered`, `flagged` …, as the server has them."""
    is_ours: bool


@dataclass(frozen=True, kw_only=True)
class Thread:
    """Mails that answer one another, oldest first."""

    key: str
    """What it is called for good: the mail that began it, also where that one is gone."""
    mails: tuple[Mail, ...] = field(repr=False)

    @property
    def first(self) -> Mail:
        """The mail that it shows: the customer's first one, else its first."""
        return next((mail for mail in self.mails if not mail.is_ours), self.mails[0])

    @property
    def answers(self) -> tuple[Mail, ...]:
        """What people of ours wrote; a receipt that a program of ours sent is none."""
        return tuple(mail for mail in self.mails if mail.is_ours and not mail.heads.is_by_machine)

    @property
    def theirs(self) -> tuple[Mail, ...]:
        """What they wrote; a note of theirs that somebody is out of office answers ours, and asks nothing."""
        has_ours = any(mail.is_ours for mail in self.mails)
        others = (mail for mail in self.mails if not mail.is_ours)
        return tuple(mail for mail in others if not (has_ours and mail.heads.is_reply_by_machine))

    @property
    def answered_at(self) -> datetime | None:
        """When we last answered, here or, as a mail's flag tells, elsewhere."""
        told = [mail.at for mail in self.answers]
        flagged = [mail.at for mail in self.theirs if "answered" in mail.flags]
        return max([*told, *flagged], default=None)

    @property
    def waiting_since(self) -> datetime | None:
        """When they wrote what we have not answered yet; None where it is they who are to write."""
        answered_at = self.answered_at
        named = {id_ for mail in self.answers for id_ in mail.heads.ancestors}

        def is_open(mail: Mail) -> bool:
            if "answered" in mail.flags:
                return False
            if answered_at is None or mail.at > answered_at:
                return True
            return mail.at == answered_at and mail.heads.id not in named  # servers tell whole seconds

        return min((mail.at for mail in self.theirs if is_open(mail)), default=None)

    @property
    def waits_for(self) -> str:
        """Who is to write next: `us` or `them`."""
        return US if self.waiting_since is not None else THEM


def thread_together(mails: Iterable[Mail]) -> list[Thread]:
    """Return the threads of `mails`, the one that was last written to first."""
    sorted_ = sorted(_once(mails), key=lambda mail: (mail.at, mail.folder, mail.uid))
    groups = _Groups()
    for mail in sorted_:
        groups.join([mail.heads.id, *mail.heads.ancestors])
    found: dict[str, list[Mail]] = defaultdict(list)
    for mail in sorted_:
        found[groups.of(mail.heads.id)].append(mail)
    threads = [Thread(key=_key(group), mails=tuple(group)) for group in found.values()]
    return sorted(threads, key=lambda thread: thread.mails[-1].at, reverse=True)


def _once(mails: Iterable[Mail]) -> list[Mail]:
    """Leave out copies of one mail in several folders. A stranger's mail that bears another's name is no copy."""
    kept: dict[tuple[str, str, str], Mail] = {}
    for mail in mails:
        name = (mail.heads.id, mail.heads.address, mail.heads.subject)
        known = kept.get(name)
        if known is None or ("answered" in mail.flags and "answered" not in known.flags):
            kept[name] = mail
    return list(kept.values())


def _key(group: Sequence[Mail]) -> str:
    """Return the id of the mail that began the thread, as the oldest mail that is there tells it."""
    oldest = group[0].heads
    return oldest.ancestors[0] if oldest.ancestors else oldest.id


class _Groups:
    """Names that belong together (union-find)."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def of(self, name: str) -> str:
        """Return the name that stands for the group of `name`."""
        top = name
        while (above := self._above.get(top, top)) != top:
            top = above
        while (above := self._above.get(name, name)) != top:
            self._above[name] = top
            name = above
        return top

    def join(self, names: Sequence[str]) -> None:
        """Put all `names` into one group."""
        top = self.of(names[0])
        self._above.setdefault(top, top)
        for name in names[1:]:
            self._above[self.of(name)] = top
