"""How people come in by the page: links that are good once and for minutes, and sessions. There are no passwords."""

from __future__ import annotations

import secrets
from contextlib import suppress
from datetime import datetime, timedelta

from opsrunner.engine.desk import Desk
from opsrunner.engine.people import People
from opsrunner.errors import Refused, StateError
from opsrunner.mail.headers import clean_line
from opsrunner.model.mail import NewMail
from opsrunner.model.person import Person
from opsrunner.model.session import LINK_LIVES, SESSION_LIVES, Session

SEEN_EVERY = timedelta(minutes=5)
"""How exactly it is known when a session was last used: it is not written at each look at a page."""
ADDRESS_LENGTH, AGENT_LENGTH = 60, 200


class SignIn:
    """Makes links and sessions, and tells who somebody is. A person who is no more in the site's file is nobody."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._people = People(desk)

    def link(self, person: Person, *, made_by: str, at: datetime, address: str = "cli") -> str:
        """Return the token of a new link for a person."""
        token = secrets.token_urlsafe(32)
        with self._desk.books.transaction():
            self._desk.books.links.add(token, person=person.id, made_by=made_by, at=at, expires_at=at + LINK_LIVES)
            self._record("sign-in link", person, actor=made_by, at=at, address=address)
        return token

    def mail_link(self, person: Person, *, page: str, made_by: str, at: datetime, address: str = "cli") -> None:
        """Mail a person a link to `page`, the address under which people open it. Raises Refused without an address."""
        if not person.email:
            raise Refused(f"{person.name} has no mail address in opsrunner.yaml")
        with self._desk.books.transaction():
            token = self.link(person, made_by=made_by, at=at, address=address)
            mail = NewMail(
                to=person.email,
                subject=f"Your way in to {self._desk.site().name}",
                text=_LETTER.format(
                    name=person.name,
                    site=self._desk.site().name,
                    minutes=int(LINK_LIVES.total_seconds() // 60),
                    link=sign_in_address(page, token),
                ),
                unique=f"sign-in {person.id} {at.isoformat()}",
            )
            self._desk.books.outbox.put([mail], at=at)

    def person_of_link(self, token: str, *, at: datetime) -> Person | None:
        """Return whom a link would sign in; looking uses nothing up."""
        return self._known(self._desk.books.links.person_of(token, at=at))

    def enter(self, token: str, *, at: datetime, address: str, agent: str) -> str:
        """Use a link up and return the token of a new session. Raises Refused, with one text whatever is wrong."""
        with self._desk.books.transaction():
            person = self.person_of_link(token, at=at)
            if person is None or not self._desk.books.links.use(token, at=at):
                raise Refused("this link was used already, or is too old: ask for a new one")
            session = secrets.token_urlsafe(32)
            self._desk.books.sessions.begin(
                session,
                person=person.id,
                at=at,
                expires_at=at + SESSION_LIVES,
                address=clean_line(address, length=ADDRESS_LENGTH),
                agent=clean_line(agent, length=AGENT_LENGTH),
            )
            self._record("sign in", person, actor=person.id, at=at, address=address)
        return session

    def who(self, token: str, *, at: datetime) -> tuple[Person, Session] | None:
        """Return who is signed in with a session's token; None where nobody is, any more."""
        session = self._desk.books.sessions.of_token(token)
        person = None if session is None else self._known(session.person)
        if session is None or person is None or not session.lives(at):
            return None
        if at - session.seen_at > SEEN_EVERY:
            with suppress(StateError):  # a disk that is full keeps nobody from looking
                self._desk.books.sessions.seen(session.id, at=at)
        return person, session

    def leave(self, session: Session, *, person: Person, at: datetime, address: str) -> None:
        """End a session."""
        with self._desk.books.transaction():
            if self._desk.books.sessions.end(session.id, at=at):
                self._record("sign out", person, actor=person.id, at=at, address=address)

    def _known(self, person: str | None) -> Person | None:
        return None if person is None else self._desk.site().people.get(person)

    def _record(self, action: str, person: Person, *, actor: str, at: datetime, address: str) -> None:
        self._desk.books.audit.add(action, f"person {person.id}", actor=actor, at=at, address=address)


def sign_in_address(page: str, token: str) -> str:
    """Return the address that a link leads to. It is no secret for long: good once, and for minutes."""
    return f"{page.rstrip('/')}/sign-in/{token}"


_LETTER = """\
{name},

this opens {site} for you, once, within {minutes} minutes:

{link}

If you did not ask for it, do nothing: it ends by itself.
"""
