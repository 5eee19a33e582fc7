"""What every transport promises, over a real SMTP server and a real folder."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from opsrunner.errors import MailFailed
from opsrunner.mail.maildir import MaildirTransport
from opsrunner.mail.message import build
from opsrunner.mail.smtp import SmtpTransport
from opsrunner.mail.transport import Transport
from opsrunner.model.mail import NewMail
from opsrunner.secrets import Vault

MOMENT = datetime(2026, 11, 21, 6, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Route:
    """A transport and a look at what came out of its other end, oldest first."""

    transport: Transport
    arrived: Callable[[], list[bytes]]


@pytest.fixture(params=["smtp", "maildir"])
def route(request: pytest.FixtureRequest, tmp_path: Path, start_smtp: Any, vault: Vault) -> Iterator[Route]:
    if request.param == "maildir":
        folder = tmp_path / "maildir"
        yield Route(
            transport=MaildirTransport(folder),
            arrived=lambda: [path.read_bytes() for path in sorted((folder / "new").glob("*"))],
        )
        return
    server = start_smtp()
    transport = SmtpTransport(server.settings, vault=vault)
    yield Route(transport=transport, arrived=lambda: [bytes(mail.content) for mail in server.mailbox.mails])
    transport.close()


def message_of(
    *, subject: str = "Hello", text: str = "Text", number: int = 1, to: str = "boss@example.com"
) -> EmailMessage:
    mail = NewMail(to=to, subject=subject, text=text, html="<p>Rich</p>")
    return build(mail, from_="The house <ops@example.com>", message_id=f"{number}.x", date=MOMENT)


def read(content: bytes) -> EmailMessage:
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


class TestTransport:
    """The contract."""

    def test_it_hands_over_what_it_was_given(self, route: Route) -> None:
        route.transport.deliver(message_of(subject="Blåbær 👍", text="Grøt på øya"), to="boss@example.com")
        route.transport.close()
        (content,) = route.arrived()
        mail = read(content)
        assert (mail["Subject"], mail["Message-ID"]) == ("Blåbær 👍", "<1.x@example.com>")
        assert mail["Date"].datetime == MOMENT
        text = mail.get_body(("plain",))
        assert text is not None
        assert text.get_content().strip() == "Grøt på øya"

    def test_it_keeps_lines_that_servers_would_change(self, route: Route) -> None:
        lines = ".\n..\nFrom here\n  indented\n" + "x" * 5000
        route.transport.deliver(message_of(text=lines), to="boss@example.com")
        body = read(route.arrived()[0]).get_body(("plain",))
        assert body is not None
        assert body.get_content().replace("\r\n", "\n") == lines + "\n"

    def test_it_takes_one_mail_after_another_also_after_close(self, route: Route) -> None:
        for number in (1, 2, 3):
            route.transport.deliver(message_of(number=number), to="boss@example.com")
            if number == 2:
                route.transport.close()
        route.transport.close()
        ids = {read(content)["Message-ID"] for content in route.arrived()}
        assert ids == {"<1.x@example.com>", "<2.x@example.com>", "<3.x@example.com>"}

    def test_it_refuses_two_recipients_in_one_address(self, route: Route) -> None:
        with pytest.raises(MailFailed) as refused:
            route.transport.deliver(message_of(), to="a@example.com, b@evil.example")
        assert refused.value.permanent
        assert route.arrived() == []

    def test_it_carries_no_header_that_a_name_smuggles_in(self, route: Route) -> None:
        hostile = "Boss\r\nBcc: evil@example.net\u2028X-Evil: 1\x00"
        route.transport.deliver(
            message_of(subject=hostile, to=f'"{hostile}, c@evil.example" <boss@example.com>'), to="boss@example.com"
        )
        (content,) = route.arrived()
        mail = read(content)
        assert {"Bcc", "X-Evil"} & set(mail.keys()) == set()
        assert [address.addr_spec for address in mail["To"].addresses] == ["boss@example.com"]


class TestMaildir:
    """What only a folder shows."""

    def test_it_is_readable_by_its_owner_only(self, tmp_path: Path) -> None:
        MaildirTransport(tmp_path / "box").deliver(message_of(), to="boss@example.com")
        modes = {path.name: path.stat().st_mode & 0o777 for path in [tmp_path / "box", *(tmp_path / "box").glob("*")]}
        assert modes == {"box": 0o700, "tmp": 0o700, "new": 0o700, "cur": 0o700}
        (mail,) = (tmp_path / "box" / "new").iterdir()
        assert mail.stat().st_mode & 0o777 == 0o600

    @pytest.mark.parametrize("read_meanwhile", [False, True])
    def test_it_keeps_a_mail_once_when_a_crash_hands_it_over_twice(self, tmp_path: Path, read_meanwhile: bool) -> None:
        box = tmp_path / "box"
        MaildirTransport(box).deliver(message_of(), to="boss@example.com")
        if read_meanwhile:
            (mail,) = (box / "new").iterdir()
            mail.rename(box / "cur" / f"{mail.name}:2,S")
        MaildirTransport(box).deliver(message_of(), to="boss@example.com")
        assert len(list((box / "new").iterdir())) + len(list((box / "cur").iterdir())) == 1

    def test_it_keeps_one_for_each_recipient(self, tmp_path: Path) -> None:
        for to in ("boss@example.com", "ops1@example.com"):
            MaildirTransport(tmp_path / "box").deliver(message_of(), to=to)
        assert len(list((tmp_path / "box" / "new").iterdir())) == 2

    def test_it_goes_on_after_a_crash_in_the_middle_of_writing(self, tmp_path: Path) -> None:
        box = tmp_path / "box"
        MaildirTransport(box).deliver(message_of(), to="boss@example.com")
        (whole,) = (box / "new").iterdir()
        whole.rename(box / "tmp" / whole.name).write_bytes(b"half")
        MaildirTransport(box).deliver(message_of(), to="boss@example.com")
        assert read(next((box / "new").iterdir()).read_bytes())["Subject"] == "Hello"
        assert list((box / "tmp").iterdir()) == []

    def test_it_says_what_is_wrong_with_the_folder(self, tmp_path: Path) -> None:
        (tmp_path / "box").write_text("a file")
        with pytest.raises(MailFailed, match="cannot write the mailbox") as failed:
            MaildirTransport(tmp_path / "box").deliver(message_of(), to="boss@example.com")
        assert not failed.value.permanent
