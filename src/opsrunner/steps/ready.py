"""What steps need to run, imported before the first of them: by whoever runs them, not by whoever reads a site.

So the first step of a kind is as quick as the next, and a daemon goes on with the program that it was started with
while another version is being installed. The kinds with much to import (`backup`, `backup_check`, `restore_drill`,
`expiries`, `notice`) wait for their first step: most daemons run few of them.
"""

from opsrunner.steps import (
    ask_all,
    audit_run,
    capacity_run,
    cover_run,
    email_run,
    hardening_run,
    http_run,
    offer_check_run,
    patch_audit_run,
    query_run,
    run_command,
    sample_rows_run,
    scorecard_run,
    ssh_run,
    suppress_run,
    ticket_clocks_run,
    trend_run,
)
