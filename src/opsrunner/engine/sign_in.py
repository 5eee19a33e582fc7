"""How people come in by the page: links that are good once and for minutes, and sessions. There are no passwords."""

from __future__ import annotations

import dataclasses
import secrets
from contextlib import suppress
from datetime import datetime, timedelta

from opsrunner.engine.agent_words import agent_words
from opsrunner.engine.desk import Desk
from opsrunner.engine.people import People
from opsrunner.errors import MailFailed, NotFound, Refused, StateError
from opsrunner.mail.headers import clean_line
from opsrunner.model.mail import NewMail, QueuedMail
from opsrunner.model.person import Person
from opsrunner.model.session import LINK_LIVES, SESSION_LIVES, Session

_SEEN_EVERY = timedelta(minutes=5)
"""How exactly it is known when a session was last used: it is not written at each look at a page."""
_WORD = "sign-in "
"""With this the `unique` words of our mails begin; no other mail's does."""
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
            self._keep(token, person, made_by=made_by, at=at)
            self._record("sign-in link", person, actor=made_by, at=at, address=address)
        return token

    def mail_link(self, person: Person, *, made_by: str, at: datetime, address: str = "cli") -> None:
        """Queue a mail with a link for a person. Raises Refused without an address.

        The link itself is made when the mail leaves (`with_link`): the outbox is part of the ledger, which knows no
        token, and the minutes of a link that waits for a mail server begin when it goes.
        """
        if not person.email:
            raise Refused(f"{person.name} has no mail address in opsrunner.yaml")
        mail = NewMail(
            to=person.email,
            subject=f"Your way in to {self._desk.site().name}",
            text="(a link is put in when this is sent)",
            unique=f"{_WORD}{person.id} {at.isoformat()}",
        )
        with self._desk.books.transaction():
            self._desk.books.outbox.put([mail], at=at)
            self._record("sign-in link", person, actor=made_by, at=at, address=address)

    def with_link(self, mail: QueuedMail, *, at: datetime) -> QueuedMail:
        """Return a queued mail that asks for a link with a new one in its text, and any other mail as it is.

        Raises MailFailed where the person is no more in the site's file.
        """
        if mail.unique is None or not mail.unique.startswith(_WORD):
            return mail
        person = self._known(_person_of(mail.unique))
        if person is None:
            raise MailFailed("whom it was to let in is no more in opsrunner.yaml", permanent=True)
        token, site = secrets.token_urlsafe(32), self._desk.site()
        with self._desk.books.transaction():
            self._keep(token, person, made_by=person.id, at=at)
        text = _LETTER.format(
            name=person.name,
            site=site.name,
            minutes=int(LINK_LIVES.total_seconds() // 60),
            link=sign_in_address(site.web.address, token),
        )
        return dataclasses.replace(mail, text=text)

    def links_out(self, *, at: datetime) -> dict[str, datetime | None]:
        """Return whom a link can let in, and until when; None while its mail has not left."""
        queued = {_person_of(word): None for word in self._desk.books.outbox.waiting_words(_WORD)}
        return {**self._desk.books.links.open(at=at), **queued}

    def person_of_link(self, token: str, *, at: datetime) -> Person | None:
        """Return whom a link would sign in; looking uses nothing up."""
        return self._known(self._desk.books.links.person_of(token, at=at))

    def enter(self, token: str, *, at: datetime, address: str, agent: str, instead_of: Session | None = None) -> str:
        """Use a link up and return the token of a new session. Raises Refused, with one text whatever is wrong.

        The session that the same browser had so far ends with it.
        """
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
            if instead_of is not None:
                self._end(instead_of, actor=person, action="sign out", at=at, address=address)
            self._record("sign in", person, actor=person.id, at=at, address=address)
        return session

    def is_use_to_note(self, session: Session, *, at: datetime) -> bool:
        """Tell whether it was last noted too long ago that a session is used."""
        return at - session.seen_at > _SEEN_EVERY

    def who(self, token: str, *, at: datetime) -> tuple[Person, Session] | None:
        """Return who is signed in with a session's token; None where nobody is, any more."""
        session = self._desk.books.sessions.of_token(token)
        person = None if session is None else self._known(session.person)
        if session is None or person is None or not session.lives(at):
            return None
        return person, session

    def note_use(self, session: Session, *, at: datetime) -> None:
        """Record that a session is used; a disk that is full keeps nobody from looking."""
        with suppress(StateError):
            self._desk.books.sessions.seen(session.id, at=at)

    def leave(self, session: Session, *, person: Person, at: datetime, address: str) -> None:
        """End the session that asks for it."""
        with self._desk.books.transaction():
            self._end(session, actor=person, action="sign out", at=at, address=address)

    def sessions(self, reader: Person, *, at: datetime) -> list[Session]:
        """Return the sessions that a person may see, last used first: their own, or everybody's to an owner."""
        found = self._desk.books.sessions.live(at=at, person=None if reader.is_owner else reader.id)
        return [session for session in found if self._known(session.person) is not None]

    def end(self, session_id: int, *, actor: Person, at: datetime, address: str) -> None:
        """End one's own session, or as an owner anybody's. Raises NotFound where it is over, Refused for others'."""
        with self._desk.books.transaction():
            session = self._desk.books.sessions.get(session_id)
            if session is None or not session.lives(at):
                raise NotFound("that session is over already")
            _require_right_over(session.person, actor)
            self._end(session, actor=actor, action="end session", at=at, address=address)

    def end_all(self, person: Person, *, actor: Person, at: datetime, address: str) -> int:
        """End all sessions of oneself, or as an owner of anybody; return how many. Raises Refused for others'."""
        _require_right_over(person.id, actor)
        with self._desk.books.transaction():
            found = self._desk.books.sessions.live(at=at, person=person.id)
            for session in found:
                self._end(session, actor=actor, action="end session", at=at, address=address)
        return len(found)

    def _end(self, session: Session, *, actor: Person, action: str, at: datetime, address: str) -> None:
        """End a session, and record it where nobody was faster."""
        if self._desk.books.sessions.end(session.id, at=at):
            detail = f"{agent_words(session.agent)}, {session.address}"
            self._desk.books.audit.add(
                action, f"person {session.person}", actor=actor.id, at=at, detail=detail, address=address
            )

    def _keep(self, token: str, person: Person, *, made_by: str, at: datetime) -> None:
        self._desk.books.links.add(token, person=person.id, made_by=made_by, at=at, expires_at=at + LINK_LIVES)

    def _known(self, person: str | None) -> Person | None:
        return None if person is None else self._desk.site().people.get(person)

    def _record(self, action: str, person: Person, *, actor: str, at: datetime, address: str) -> None:
        self._desk.books.audit.add(action, f"person {person.id}", actor=actor, at=at, address=address)


def _require_right_over(person: str, actor: Person) -> None:
    if person != actor.id and not actor.is_owner:
        raise Refused("only an owner ends the sessions of others")


def _person_of(word: str) -> str:
    """Return whom a mail of ours is to let in, by its `unique` word."""
    return word.removeprefix(_WORD).partition(" ")[0]


def sign_in_address(page: str, token: str) -> str:
    """Return the address that a link leads to. It is no secret for long: good once, and for minutes."""
    return f"{page.rstrip('/')}/sign-in/{token}"


_LETTER = """\
{name},

this opens {site} for you, once, within {minutes} minutes:

{link}

If you did not ask for it, do nothing: it ends by itself.
"""
