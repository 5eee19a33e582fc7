"""A site with customers, a window and incidents, driven moment by moment; what customers heard is in its Maildir."""

from __future__ import annotations

import email
import email.policy
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

from icalendar import Calendar

from opsrunner.engine.downtime_acts import By
from opsrunner.engine.downtimes import time_of_window
from opsrunner.model.task import Evidence, Task, TaskStatus

SITE = """\
site: Example Hosting
timezone: Europe/Oslo
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner], login: boss}
  ops1: {name: First technician, email: ops1@example.com, roles: [sysadmin]}
mail: {from: ops@example.com}
digest: {to: [owner]}
sources:
  services:
    csv: data/services.csv
    columns:
      {service: text, customer: text, name: text, email: text, host: text, status: text, amount: number, cycle: text}
  resellers:
    csv: data/resellers.csv
    columns: {service: text, customer: text, name: text, email: text, host: text}
"""
WINDOWS = """\
windows:
  kernel:
    name: Kernel updates
    about: Websites are away for a few minutes.
    schedule: {every: month, on: first tuesday, at: "02:00"}
    lasts: 2h
    hosts: [web1, web2]
    accountable: sysadmin
    audience:
      - {source: services, where: {status: active}}
      - {source: resellers}
    ladder: [7d, 24h, start, every 30m via: status_page, end]
    approve: 8d
incidents:
  accountable: sysadmin
  audience: {source: services, where: {status: active}}
  ladder: [start, every 3h via: mail, end]
"""
SERVICES = """\
service,customer,name,email,host,status,amount,cycle
shop.example,C1,Kari Vik,kari@customer.example,web1,active,10.00,monthly
blog.example,C1,Kari Vik,kari@customer.example,web2,active,120.00,yearly
mail.example,C2,Ola Moe,OLA@Customer.Example,web2,active,5.00,monthly
gone.example,C3,Per Dahl,per@customer.example,web1,cancelled,5.00,monthly
far.example,C4,Lise Ås,lise@customer.example,web9,active,5.00,monthly
"""
RESELLERS = """\
service,customer,name,email,host
shop.example,R1,Kari Vik,kari@customer.example,web1
white label,R2,Reseller AS,reseller@customer.example,web1
"""
START = datetime(2026, 11, 20, 12, tzinfo=UTC)
BEGIN = datetime(2026, 12, 1, 1, tzinfo=UTC)  # the first Tuesday of December, 02:00 in Oslo


class Scene:
    """A site with customers, driven moment by moment."""

    def __init__(self, house: Any) -> None:
        self.house = house

    @property
    def app(self) -> Any:
        return self.house.app

    @property
    def boss(self) -> Any:
        return self.app.site.people["boss"]

    @property
    def by(self) -> By:
        return By(actor=self.boss, at=self.now)

    @property
    def now(self) -> datetime:
        return self.house.clock.now()  # type: ignore[no-any-return]

    def at(self, text: str) -> int:
        """Let time pass until a moment of UTC; return how many mails went to customers."""
        self.house.clock.set(datetime.fromisoformat(text).replace(tzinfo=UTC))
        return self.look()

    def look(self) -> int:
        self.house.daemon.work_once()
        sent = self.app.announcer.work(self.now)
        self.app.deliver()
        return sent  # type: ignore[no-any-return]

    def restart(self) -> None:
        self.house.close()
        self.house.open()

    def mails(self) -> list[EmailMessage]:
        """Return the mails to customers, oldest first."""
        found = []
        for folder in ("new", "cur"):
            for path in sorted((self.app.state / "maildir" / folder).glob("*")):
                with path.open("rb") as file:
                    mail = email.message_from_binary_file(file, policy=email.policy.default)
                if str(mail["To"]).endswith("customer.example"):
                    found.append((mail["Date"].datetime, mail))
        return [mail for _, mail in sorted(found, key=lambda one: (one[0], str(one[1]["To"])))]

    def told(self) -> list[str]:
        """Return `recipient: subject` of every mail to customers."""
        return [f"{str(mail['To']).partition('@')[0]}: {mail['Subject']}" for mail in self.mails()]

    def tasks(self, word: str = "") -> list[Task]:
        return [task for task in self.app.books.tasks.opened() if word in task.title]

    def tick(self, task: Task, *, struck: tuple[int, ...] = (), status: TaskStatus = TaskStatus.DONE) -> None:
        self.app.ticks.tick(task.id, actor=self.boss, status=status, evidence=Evidence(), struck=struck, at=self.now)

    def approve(self, *, struck: tuple[int, ...] = ()) -> None:
        (task,) = self.tasks("Approve what")
        self.tick(task, struck=struck)
        self.house.clock.move(seconds=31)
        self.look()

    def window(self) -> Any:
        return time_of_window(self.app.desk, "kernel", at=self.now)

    def row(self) -> Any:
        return self.window().row

    def act(self, name: str, *words: Any, **more: Any) -> Any:
        return getattr(self.app.downtime_acts, name)(self.window(), *words, **more, by=self.by)


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def invite_of(mail: EmailMessage) -> Any:
    (part,) = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]
    return Calendar.from_ical(bytes(part.get_payload(decode=True)))
