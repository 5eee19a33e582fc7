"""The state folder: made private, and held by one opsrunner at a time."""

from __future__ import annotations

import fcntl
import logging
import os
import stat
from pathlib import Path
from types import TracebackType

from opsrunner.engine.copies_in_use import LOCKS
from opsrunner.errors import StateError, StateLocked
from opsrunner.fleet.processes import pause
from opsrunner.ledger.failures import disk_advice

LOGGER = logging.getLogger("opsrunner")
PRIVATE_FOLDER = 0o700
FOLDERS = ("runs", "checklists", "evidence", "digests")
LEDGER = "ledger.db"
ENTERED = "entered"
REAL_COPIES = "real_copies.json"
"""In the state of a try: by store, the names of copies that the real ledger knows."""
OUR_NAMES = frozenset(
    {
        *FOLDERS,
        LEDGER,
        ENTERED,
        LOCKS,
        REAL_COPIES,
        "lock",
        "maildir",
        "sample",
        "try",
        "known_hosts",
        "crash.log",
        "lost+found",
    }
)
"""What may stand in a folder that has no ledger yet: what verbs leave there before the first one opens it."""
LOOK_SECONDS = 0.01
TAKE_TRIES = 5
TRIES_AMONG_LOOKERS = 500
"""How often the lock is tried for where others only look, however many they are."""
SIGNED_WITHIN_LOOKS = 30


def prepare_state(state: Path) -> None:
    """Make the state folder and what stands in it, for its owner alone.

    Raises StateError where it belongs to somebody else, cannot be written, or holds what is not ours: a
    folder given by mistake (`--state /etc`) is left as it is.
    """
    os.umask(0o077)
    try:
        _refuse_strange(state)
        for folder in (state, *(state / name for name in FOLDERS)):
            folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        _refuse_foreign(state)
        for folder in (state, *(state / name for name in FOLDERS)):
            if stat.S_IMODE(folder.stat().st_mode) & 0o077:
                folder.chmod(PRIVATE_FOLDER)
    except OSError as exc:
        raise StateError(f"{exc.filename or state}: {exc.strerror}; {disk_advice(state / LEDGER)}") from exc
    if not os.access(state, os.W_OK | os.X_OK):
        raise StateError(f"{state}: not writable; {disk_advice(state / LEDGER)}")


def _refuse_strange(state: Path) -> None:
    if not state.is_dir() or (state / LEDGER).exists():
        return
    strange = sorted(entry.name for entry in os.scandir(state) if entry.name not in OUR_NAMES)
    if strange:
        raise StateError(
            f"{state} is no state folder: it holds {strange[0]} and no ledger; give opsrunner a folder of its own"
        )


def _refuse_foreign(state: Path) -> None:
    owner = state.stat().st_uid
    if owner != os.geteuid():
        raise StateError(
            f"{state} belongs to user {owner}, opsrunner runs as user {os.geteuid()}: "
            "run it as the owner, or give the folder to this user (chown -R)"
        )


class StateLock:
    """The `flock` that one opsrunner holds while it works on a state folder.

    It is a lock on the folder itself, so that no file has to stay where it is for it to hold. The file `lock` in it
    names the holder, for people. That the lock goes with its process is the kernel's work, however the process ends.
    """

    def __init__(self, state: Path) -> None:
        self._state = state
        self._name = state / "lock"
        self._descriptor: int | None = None

    def take(self) -> None:
        """Take the lock or raise StateLocked, which names the holder."""
        try:
            descriptor = os.open(self._state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as exc:
            raise StateError(f"{self._state}: {exc.strerror}") from exc
        try:
            is_ours = _lock(descriptor)
        except OSError as exc:
            os.close(descriptor)
            raise StateError(f"{self._state} cannot be locked: {exc.strerror}; put it on a local disk") from exc
        if not is_ours:
            os.close(descriptor)
            raise StateLocked(f"{self._state} is in use by opsrunner process {self.holder()}")
        self._descriptor = descriptor
        self._sign()

    def holder(self) -> str:
        """Return the process id of who holds the lock, or `unknown`.

        Who has only just taken it may not have signed yet; a name that no process bears is an earlier holder's.
        """
        for _ in range(SIGNED_WITHIN_LOOKS):
            try:
                name = self._name.read_text(encoding="utf-8").partition("\n")[0]
            except (OSError, UnicodeDecodeError):
                name = ""
            if name.isdecimal() and Path(f"/proc/{name}").exists():
                return name
            pause(LOOK_SECONDS)
        return "unknown"

    def is_held(self) -> bool:
        """Tell whether another process holds the lock now."""
        try:
            descriptor = os.open(self._state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False

    def _sign(self) -> None:
        """Write our process id, over the one before and then cut: a reader never finds nothing."""
        try:
            descriptor = os.open(self._name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                os.ftruncate(descriptor, os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0))
            finally:
                os.close(descriptor)
        except OSError as exc:
            LOGGER.warning("%s: %s; who holds it cannot be told", self._name, exc.strerror)

    def release(self) -> None:
        """Give the lock back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> StateLock:
        self.take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _lock(descriptor: int) -> bool:
    """Lock an open folder for us alone; False where another has it. Who only looks has it for an instant."""
    tries_left = TAKE_TRIES
    for _ in range(TRIES_AMONG_LOOKERS):
        if _try_lock(descriptor, fcntl.LOCK_EX):
            return True
        if _try_lock(descriptor, fcntl.LOCK_SH):
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # nobody has it for himself: they look
        else:
            tries_left -= 1
        if not tries_left:
            return False
        pause(LOOK_SECONDS)
    return False


def _try_lock(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
