"""The ledger with all its tables in one hand."""

from __future__ import annotations

from pathlib import Path

from opsrunner.ledger.acts import Acts
from opsrunner.ledger.audit import Audit
from opsrunner.ledger.copies import Copies
from opsrunner.ledger.database import Ledger
from opsrunner.ledger.dates import Dates
from opsrunner.ledger.days import Days
from opsrunner.ledger.digests import Digests
from opsrunner.ledger.downtimes import Downtimes
from opsrunner.ledger.ends import Ends
from opsrunner.ledger.finding_counts import FindingCounts
from opsrunner.ledger.findings import Findings
from opsrunner.ledger.foreign import ForeignBackups
from opsrunner.ledger.holds import Holds
from opsrunner.ledger.host_facts import HostFactsTable
from opsrunner.ledger.host_parts import HostParts
from opsrunner.ledger.known_rows import KnownRows
from opsrunner.ledger.mail_queue import MailQueue
from opsrunner.ledger.notices import Notices
from opsrunner.ledger.outbox import Outbox
from opsrunner.ledger.people import Absences, Notes
from opsrunner.ledger.requests import Requests
from opsrunner.ledger.retention import Forgetting
from opsrunner.ledger.routines import Routines
from opsrunner.ledger.runs import Runs
from opsrunner.ledger.samples import Samples
from opsrunner.ledger.search import Search
from opsrunner.ledger.seen_rows import SeenRows
from opsrunner.ledger.service import Service
from opsrunner.ledger.sessions import Links, Sessions
from opsrunner.ledger.standing import ActiveRuns
from opsrunner.ledger.steps import Steps
from opsrunner.ledger.strips import Strips
from opsrunner.ledger.suppressions import Suppressions
from opsrunner.ledger.tasks import Tasks
from opsrunner.ledger.tickets import Tickets


class Books:
    """Everything that is written down; `transaction()` spans all of it."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.runs = Runs(ledger)
        self.active_runs = ActiveRuns(ledger)
        self.known_rows = KnownRows(ledger)
        self.steps = Steps(ledger)
        self.host_parts = HostParts(ledger)
        self.ends = Ends(ledger)
        self.tasks = Tasks(ledger)
        self.routines = Routines(ledger)
        self.holds = Holds(ledger)
        self.requests = Requests(ledger)
        self.outbox = Outbox(ledger)
        self.mail_queue = MailQueue(ledger)
        self.notices = Notices(ledger)
        self.suppressions = Suppressions(ledger)
        self.acts = Acts(ledger)
        self.copies = Copies(ledger)
        self.foreign = ForeignBackups(ledger)
        self.dates = Dates(ledger)
        self.findings = Findings(ledger)
        self.samples = Samples(ledger)
        self.seen_rows = SeenRows(ledger)
        self.finding_counts = FindingCounts(ledger)
        self.host_facts = HostFactsTable(ledger)
        self.tickets = Tickets(ledger)
        self.digests = Digests(ledger)
        self.downtimes = Downtimes(ledger)
        self.absences = Absences(ledger)
        self.notes = Notes(ledger)
        self.audit = Audit(ledger)
        self.links = Links(ledger)
        self.sessions = Sessions(ledger)
        self.strips = Strips(ledger)
        self.search = Search(ledger)
        self.days = Days(ledger)
        self.service = Service(ledger)
        self.forgetting = Forgetting(ledger)
        self.transaction = ledger.transaction

    @classmethod
    def open(cls, path: Path) -> Books:
        """Open the ledger at `path`; see Ledger for what it refuses."""
        return cls(Ledger(path))
