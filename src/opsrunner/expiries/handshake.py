"""What a server shows when TLS begins: its certificates, whether anybody trusts them, and what else is wrong."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

from opsrunner.clock import Clock
from opsrunner.errors import NoAnswer
from opsrunner.expiries.certificates import Certificate, NoCertificate, chain_words, ends_first, read_der
from opsrunner.expiries.starttls import NoTls, begin_tls
from opsrunner.expiries.targets import Target
from opsrunner.model.fleet import Stopping
from opsrunner.records import dataclass
from opsrunner.tls import client_context, refusal

ONE_SECONDS = 15.0
"""How long one server is waited for, with all that comes before TLS."""
LOOK_SECONDS = 0.2
_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME: whether it has ended is told apart from whether it is trusted."""
_SELF_SIGNED = 18
"""X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a server showed."""

    ends_at: datetime
    """Of the whole chain, what ends first."""
    about: str
    wrong: str


def shown_by(target: Target, *, clock: Clock, stopping: Stopping, seconds: float = ONE_SECONDS) -> Shown:
    """Return what a server shows. Raises NoAnswer, also when the time is up and when told to stop.

    It is asked by its name (SNI). The chain is the one that is trusted here; where none is, the one that it sent.
    """
    probe = _Probe(target, seconds=seconds)
    probe.start(clock=clock, stopping=stopping)
    leaf = probe.chain[0]
    wrong = [probe.distrust, *_own_faults(leaf, target, now=clock.now())]
    return Shown(
        ends_at=ends_first(probe.chain).ends_at,
        about=chain_words(probe.chain),
        wrong="; ".join(one for one in wrong if one),
    )


def _own_faults(leaf: Certificate, target: Target, *, now: datetime) -> list[str]:
    """Return what is wrong with a server's own certificate, beside its end and its issuers."""
    faults = []
    if not leaf.is_for(target.host):
        faults.append(f"it is not for {target.host}, but for {leaf.title or 'nobody'}")
    if leaf.begins_at > now:
        faults.append(f"it is not valid before {leaf.begins_at:%Y-%m-%d %H:%M} UTC")
    return faults


class _Probe:
    """One look at one server, from a thread of its own: looking a name up cannot be hurried."""

    def __init__(self, target: Target, *, seconds: float) -> None:
        self._target, self._seconds = target, seconds
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._line: socket.socket | None = None
        self._is_left = False
        self._failure = ""
        self.chain: Sequence[Certificate] = ()
        self.distrust = ""

    def start(self, *, clock: Clock, stopping: Stopping) -> None:
        """Look, and wait for it. Raises NoAnswer."""
        ends_at = clock.monotonic() + self._seconds
        threading.Thread(target=self._work, daemon=True, name="handshake").start()
        while not self._over.wait(LOOK_SECONDS):
            if stopping.is_set():
                self._hang_up()
                raise NoAnswer("stopped", kind="stopped")
            if clock.monotonic() > ends_at:
                self._hang_up()
                raise NoAnswer(f"no answer in {self._seconds:g} s", kind="timed_out")
        if self._failure or not self.chain:
            raise NoAnswer(self._failure or "it showed no certificate")

    def _hang_up(self) -> None:
        """End what the thread waits for: a server that answers byte by byte would keep it for hours."""
        with self._lock:
            self._is_left = True
            if self._line is not None:
                with suppress(OSError):
                    self._line.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def _on_the_line(self, connection: socket.socket) -> Iterator[None]:
        """Let the connection be hung up on, also while TLS has taken it over. Raises TimeoutError once that is so."""
        with connection.dup() as line:
            with self._lock:
                if self._is_left:
                    raise TimeoutError
                self._line = line
            try:
                yield
            finally:
                with self._lock:
                    self._line = None

    def _work(self) -> None:
        try:
            self._look()
        except (NoTls, NoCertificate) as exc:
            self._failure = str(exc)
        except ssl.SSLError as exc:
            self._failure = refusal(exc)
        except OSError as exc:
            self._failure = _reason(exc, seconds=self._seconds)
        except ValueError:
            self._failure = "its name cannot be looked up"
        finally:
            self._over.set()

    def _look(self) -> None:
        """Shake hands as whoever trusts this machine's authorities; where that fails, as one who trusts anybody."""
        try:
            self.chain = self._chain(_trusting(), of_trust=True)
        except ssl.SSLCertVerificationError as exc:
            reason = exc.verify_message.rstrip(".").lower() or "it is not trusted"
            is_own = exc.verify_code == _SELF_SIGNED
            self.distrust = "it is signed by itself" if is_own else f"nobody trusts it here: {reason}"
            self.chain = self._chain(client_context(verify=False), of_trust=False)

    def _chain(self, context: ssl.SSLContext, *, of_trust: bool) -> list[Certificate]:
        target = self._target
        with (
            socket.create_connection((target.host, target.port), timeout=self._seconds) as plain,
            self._on_the_line(plain),
        ):
            begin_tls(plain, target.way)
            with context.wrap_socket(plain, server_hostname=target.host) as connection:
                return [read_der(der) for der in _shown(connection, of_trust=of_trust)]


def _trusting() -> ssl.SSLContext:
    context = client_context()
    context.check_hostname = False  # told apart, by us
    context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
    return context


def _shown(connection: ssl.SSLSocket, *, of_trust: bool) -> list[bytes]:
    """Return the chain in DER form, the server's own certificate first.

    Python has it for everybody from 3.13 on; before that, where the library keeps it.
    """
    name = "get_verified_chain" if of_trust else "get_unverified_chain"
    for place in (connection, getattr(connection, "_sslobj", None)):
        give: Callable[[], Sequence[Any] | None] | None = getattr(place, name, None)
        if give is not None:
            return [one if isinstance(one, bytes) else one.public_bytes(_DER) for one in give() or ()]
    own = connection.getpeercert(binary_form=True)
    return [own] if own else []


_DER = 2
"""`_ssl.ENCODING_DER`."""


def _reason(error: OSError, *, seconds: float) -> str:
    if isinstance(error, socket.gaierror):
        return "the host's name is not known"
    if isinstance(error, TimeoutError):
        return f"no answer in {seconds:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return (error.strerror or type(error).__name__).lower()
