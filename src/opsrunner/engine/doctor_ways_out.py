"""The doctor's look at the ways out: mail, certificates, the keys of hosts, and where copies go."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from opsrunner.engine.doctor_patient import Finding, Patient
from opsrunner.engine.unverified import unverified_lines
from opsrunner.errors import OpsrunnerError
from opsrunner.model.store import STATE_WORD, LocalStore, StoreSettings

MAIL_PATIENCE = timedelta(hours=1)
GIVEN_UP_SHOWN = timedelta(days=7)
MOST_GIVEN_UP = 5
DEFAULT_KEY_FILE = "secrets/ssh_key"


def check_mail(patient: Patient) -> Iterator[Finding]:
    """Say whether mail can leave, and what waits or was given up."""
    if not patient.brief:
        yield _way_out(patient)
    queue = patient.books.mail_queue
    count, error = queue.stuck(before=patient.now - MAIL_PATIENCE, now=patient.now)
    if count:
        mails = "1 mail waits" if count == 1 else f"{count} mails wait"
        what = f"{mails} for more than an hour: {error or 'not tried yet'}"
        yield Finding(level="look", what=what, advice="they are tried again by themselves while opsrunner serve works")
    for mail in queue.given_up(since=patient.now - GIVEN_UP_SHOWN, limit=MOST_GIVEN_UP):
        what = f"a mail to {mail.to} was given up: {mail.error}"
        yield Finding(level="look", what=what, where=mail.about, advice="correct the address")


def _way_out(patient: Patient) -> Finding:
    try:
        return Finding(level="fine", what=f"mail can leave: {patient.try_mail()}")
    except OpsrunnerError as exc:
        return Finding(level="failed", what=f"mail cannot leave: {exc}", advice="correct `mail` in opsrunner.yaml")


def check_certificates(patient: Patient) -> Iterator[Finding]:
    """Say which servers need not prove who they are."""
    unverified = unverified_lines(patient.site)
    for line in unverified:
        advice = "have it show a certificate that is good, then remove `verify: false`; until then each digest says so"
        yield Finding(level="look", what=line.rstrip("."), advice=advice)
    if not unverified:
        yield Finding(level="fine", what="every server that is asked has to show a good certificate")


def check_keys(patient: Patient) -> Iterator[Finding]:
    """Say which keys are missing, open to others, or not trusted yet."""
    hosts = [host for host in patient.site.hosts.values() if not host.is_local]
    for name in sorted({host.key_file or DEFAULT_KEY_FILE for host in hosts}):
        path = patient.site.root / name
        if not path.is_file():
            advice = f"ssh-keygen -t ed25519 -N '' -f {path}"
            yield Finding(level="failed", what="a private SSH key is missing", where=str(path), advice=advice)
        elif path.stat().st_mode & 0o077:
            advice = f"chmod 600 {path}"
            yield Finding(level="failed", what="others may read a private SSH key", where=str(path), advice=advice)
    unknown = [host.name for host in hosts if not patient.pinned(host)]
    for host_name in unknown:
        advice = f"opsrunner hosts trust {host_name}"
        yield Finding(level="look", what=f"the key of {host_name} is not trusted yet", advice=advice)
    if hosts and not unknown:
        yield Finding(level="fine", what="the keys of all hosts are trusted", where=f"{len(hosts)} in all")


def check_stores(patient: Patient) -> Iterator[Finding]:
    """Say where every copy lies beside the ledger that it is a copy of; a sample has nothing to lose."""
    stores = patient.site.stores
    if not stores or patient.site.sample_seed is not None:
        return
    if all(_is_in_state(store, patient) for store in stores.values()):
        what = f"every store lies in the state folder: what takes that takes the copies along ({', '.join(stores)})"
        yield Finding(level="look", what=what, advice="name one elsewhere under `stores` in opsrunner.yaml")
    else:
        yield Finding(level="fine", what="copies can go to where the state is not")


def _is_in_state(store: StoreSettings, patient: Patient) -> bool:
    if not isinstance(store, LocalStore):
        return False
    path = patient.site.root / store.path.replace(STATE_WORD, str(patient.state), 1)
    return path.resolve().is_relative_to(patient.state.resolve())
