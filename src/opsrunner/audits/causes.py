"""The causes of the patch audit, with the words of their tasks."""

from __future__ import annotations

from collections.abc import Mapping

from opsrunner.model.finding import Cause

IN_ORDER = "in the order: a test server, one shared server, the rest"

CAUSES: Mapping[str, Cause] = {
    cause.name: cause
    for cause in (
        Cause(
            name="security",
            title="Install the security updates",
            how=f"""\
Read what each one changes (`apt-get changelog NAME`, `dnf updateinfo info`), take a snapshot where there is one,
install {IN_ORDER}, and look at the services afterwards.

```sh
apt-get update && apt-get upgrade        # Debian, Ubuntu
dnf upgrade --security                   # Red Hat's family; yum update --security on release 7
```
""",
        ),
        Cause(
            name="updates",
            title="Install the other updates, or set a day for them",
            how=f"""\
None of them closes a known hole. Install them in the next window, {IN_ORDER}: `apt-get upgrade`, `dnf upgrade`.
""",
        ),
        Cause(
            name="held",
            title="Decide about held packages",
            how="""\
Somebody keeps these from being updated. Find out why, and whether it still holds: `apt-mark unhold NAME`, `dnf
versionlock delete NAME`, the `exclude` line in `/etc/yum.conf` or `/etc/dnf/dnf.conf`. Panels exclude what they
bring themselves: accept those, with the reason.
""",
        ),
        Cause(
            name="kept-back",
            title="Find out why packages are kept back",
            how="""\
An update is there and apt will not install it: something it needs is missing, or in conflict. `apt-get -s install
NAME` says what.
""",
        ),
        Cause(
            name="broken",
            title="Finish interrupted installations",
            how="""\
A package is only half installed. Look at why in `/var/log/dpkg.log` and `/var/log/apt/term.log`, then:

```sh
dpkg --configure -a && apt-get -f install
```
""",
        ),
        Cause(
            name="conffiles",
            title="Merge the configuration files that updates left behind",
            how="""\
An update brought a new version of a file that was changed here, and laid it beside. Compare the two, take over what
is needed, remove the one that waits. `.rpmsave` is the other way round: the update's file is in force, and yours
lies beside.
""",
        ),
        Cause(
            name="reboot",
            title="Reboot",
            how="""\
What was updated takes effect only after a reboot. Set a window, tell customers, take shared servers one at a time,
and look at the services afterwards. Where live patches cover the kernel it can wait for the next window.
""",
        ),
        Cause(
            name="restart",
            title="Restart services that still run replaced software",
            how="""\
These run programs or libraries from before an update: a hole that the update closed is still open in them.
`systemctl restart NAME`, one server at a time; for `systemd` itself `systemctl daemon-reexec`, for `dbus` a reboot.
""",
        ),
        Cause(
            name="end-of-life",
            title="Move to a supported release",
            how="""\
No security updates come for this release any more, or they will soon end. Plan the move: a new server beside it, or
an upgrade in place after a snapshot and a rehearsal. Until then: extended support, where it is to be had.
""",
        ),
        Cause(
            name="lists",
            title="Refresh the package lists",
            how="""\
What this host knows of updates is old, so that "nothing pending" means nothing. Look at why the daily refresh does
not run or fails:

```sh
apt-get update; systemctl status apt-daily.timer       # Debian, Ubuntu
dnf makecache; systemctl status dnf-makecache.timer    # Red Hat's family
```
""",
        ),
        Cause(
            name="clock",
            title="Set the clock right",
            how="""\
The clock of this host is wrong: sign-ins with codes, certificates, logs and backups go by it. `timedatectl`,
`chronyc tracking`.
""",
        ),
    )
}
