"""Commands that tests let a host run."""

OWN_SSHD = 'up=$PPID; until grep -q sshd "/proc/$up/comm"; do up=$(ps -o ppid= -p "$up" | tr -d " "); done; echo "$up"'
"""Says which process is the sshd of the command's own connection; what lies between the two is the host's login shell,
or what that one has started."""
CUT_THE_LINK = f"kill -9 $({OWN_SSHD})"
