"""One pass of the notice of a site, in this process: how long it took, and how much memory the process had at most."""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from pathlib import Path

from opsrunner.app import open_app
from opsrunner.notices.reporting import NoticeReport
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.kinds import KINDS


def main(root: Path) -> None:
    app = open_app(root, mails_stay=True)
    routine = app.routine("renewals")
    (plan,) = routine.steps
    told: list[NoticeReport] = []
    means = Means(
        clock=app.clock,
        vault=app.vault,
        stopping=threading.Event(),
        hosts={},
        fleet=app.fleet,
        sources=app.site.sources,
        read_source=app.sources.read,
        send=lambda _mails: None,
        copies=app.books.copies,
        note=lambda _note: None,
        reports=app.desk.reports,
        notices=app.notices.means(routine, told.append),
    )
    call = StepCall(
        run_id=1,
        run_token="bench-1",
        routine=routine.id,
        step=plan.id,
        options=KINDS["notice"].parse(plan.options),
        timeout_seconds=3600,
        site_root=root,
        workdir=root / "var",
        output=root / "var/out",
        output_limit_bytes=1_000_000,
    )
    run = KINDS["notice"].run
    assert run is not None
    before = time.perf_counter()
    outcome = run(call, means)
    seconds = time.perf_counter() - before
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    app.close()
    print(json.dumps({"seconds": seconds, "megabytes": megabytes, **outcome.facts}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
