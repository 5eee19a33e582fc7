"""How a command on a host ended, in words."""

from __future__ import annotations

from opsrunner.model.fleet import HostAnswer
from opsrunner.secrets import Vault
from opsrunner.steps.exit_codes import describe_exit
from opsrunner.steps.output import LAST_WORDS_BYTES, cut, mask_bytes, printable

NEVER_TOLD = "the host never told how the command ended"


def last_line(answer: HostAnswer, vault: Vault) -> str:
    """Return the last line that the command wrote, of its errors first, masked and cut to the length of a message."""
    said = (answer.stderr.strip() or answer.stdout.strip())[-LAST_WORDS_BYTES:]
    text = printable(mask_bytes(said, vault).decode("utf-8", errors="replace"))
    return cut(text.strip().rpartition("\n")[2].strip())


def end_words(answer: HostAnswer, vault: Vault) -> str:
    """Return what the exit code means, and the last line: `exit code 3: Lost connection`."""
    end = NEVER_TOLD if answer.exit_code is None else describe_exit(answer.exit_code)
    last = last_line(answer, vault)
    return f"{end}: {last}" if last else end
