"""What comes from outside (rows, outputs, arguments, files) runs nothing, forges nothing and steers nothing."""

from __future__ import annotations

import csv
import email
import email.policy
import io
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path

import pytest

import opsrunner as opsrunner_package

from ..patience import until

Answer = subprocess.CompletedProcess[str]
Opsrunner = Callable[..., Answer]
SCRIPT = Path(sys.executable).with_name("opsrunner")

SITE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner]}
mail: {from: ops@example.com}
sources:
  hostile: {csv: data/hostile.csv, columns: {number: text, name: text}}
"""
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "; touch P",
    "$(touch P)",
    "`touch P`",
    "x\ntouch P\ny",
    "'\"; touch P; '\"",
    "{{ 7*191 }}",
    "{{ ''.__class__.__mro__ }}{% for x in y %}",
    "one\r\nBcc: evil@example.com\r\n\r\nbody",
    "two\u2028Bcc: evil@example.com",
    '"a, b@evil.example" <c@evil.example>',
    "\x1b[31mred\x1b]0;title\x07\x9b2J\u202egnp",
    "c](javascript:alert(1)) `code` ~~x~~\n## Heading\n- [x] ticked",
    "%s%n${PATH}",
]
ROUTINE = """\
name: Hostile
accountable: owner
steps:
  - {id: rows, query: {source: hostile}}
  - task: "Look at {{ row.name }}"
    for_each: steps.rows.rows
    key: row.name
  - {id: argv, run: [printf, "%s", "=", "{{ row.name }}"], for_each: steps.rows.rows}
  - {id: shell, run: 'printf "%s" "$NAME"', env: {NAME: "{{ row.name }}"}, for_each: steps.rows.rows}
  - id: host
    ssh: {hosts: local, run: 'printf "%s" "$NAME"'}
    env: {NAME: "{{ row.name }}"}
    for_each: steps.rows.rows
  - id: letters
    email: {to: owner, subject: "About {{ row.name }}", body: "Dear {{ row.name }}"}
    for_each: steps.rows.rows
    on_failure: continue
  - {id: told, run: 'printf "%s\\n" "$NAME" >&2; exit 1', env: {NAME: "{{ row.name }}"}, for_each: steps.rows.rows}
"""


@pytest.fixture
def site(make_site: Callable[[Mapping[str, str]], Path]) -> Path:
    table = io.StringIO(newline="")
    csv.writer(table).writerows([["number", "name"], *([f"n{i}", text] for i, text in enumerate(HOSTILE))])
    root = make_site({"opsrunner.yaml": SITE, "routines/hostile.yaml": ROUTINE})
    (root / "data").mkdir(mode=0o700)
    (root / "data/hostile.csv").write_bytes(table.getvalue().encode())
    return root


def test_data_runs_nothing_forges_nothing_and_stays_literal(opsrunner: Opsrunner, site: Path) -> None:
    followed = opsrunner("run", "hostile", site=site)
    verbs = ("tasks", "show 1", "logs 1", "runs", "digest", "digest --send", "digest --html page.html")
    shown = {words: opsrunner(*words.split(), site=site).stdout for words in verbs}
    on_a_terminal = seen_on_a_terminal(site, "tasks", "show 1", "logs 1")

    assert "argv  succeeded" in followed.stdout, followed.stdout
    assert "letters  succeeded" in followed.stdout, followed.stdout
    assert not list(site.rglob("P")), "nothing was run"
    for text in (followed.stdout, *shown.values()):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u202e]", text)
        assert "1337" not in text, "no data is a template"
    for colours in on_a_terminal:
        assert not re.search(r"\x1b(?!\[[0-9;]*m)", colours.replace("\x1b[?25l", "").replace("\x1b[?25h", ""))
        assert "\x1b]0" not in colours
    assert "{{ 7*191 }}" in shown["tasks"]
    assert "Look at \\x1b" not in shown["tasks"], "titles are cleaned before they are kept"
    assert_harmless_html((site / "page.html").read_text(encoding="utf-8"))
    assert_whole_list(next((site / "var/checklists/hostile").glob("*.md")).read_text(encoding="utf-8"))
    for path in (site / "var/maildir/new").iterdir():
        assert_one_recipient(path.read_bytes())


def seen_on_a_terminal(site: Path, *verbs: str) -> list[str]:
    """Return what verbs write to a terminal, byte for byte."""
    seen = []
    for words in verbs:
        parent, child = os.openpty()
        with subprocess.Popen(
            [str(SCRIPT), *words.split()],
            cwd=site,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            stdout=child,
            stderr=child,
        ):
            os.close(child)
            pieces = []
            while piece := read_piece(parent):
                pieces.append(piece)
        os.close(parent)
        seen.append(b"".join(pieces).decode())
    return seen


def read_piece(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # how a terminal says that its other end is gone
        return b""


def assert_harmless_html(page: str) -> None:
    inside = re.sub(r"<(/?)(\w+)", r"<\1\2 ", page)
    assert not re.search(r"<\s*(script|img|iframe|object|base|form)\b", inside, re.IGNORECASE)
    assert not re.search(r"<[^>]*\son\w+\s*=", page, re.IGNORECASE)
    assert not re.search(r"(href|src)\s*=\s*[\"']?\s*javascript:", page, re.IGNORECASE)
    assert "&lt;script&gt;" in page
    assert "1337" not in page


def assert_whole_list(markdown: str) -> None:
    """Hold that every line is the title, a fact or one item, and that no data became markup."""
    items = [line for line in markdown.splitlines() if line.startswith("- [")]
    assert len(items) == len(HOSTILE)
    assert all(item.startswith("- [ ] Look at ") for item in items)
    assert [line for line in markdown.splitlines() if line.startswith("#")] == [markdown.splitlines()[0]]
    assert "](" not in markdown
    assert "<" not in markdown.replace("\\<", "")


def assert_one_recipient(data: bytes) -> None:
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert message.defects == []
    assert set(message.keys()) <= {
        "From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Auto-Submitted",
        "Content-Transfer-Encoding", "X-Auto-Response-Suppress", "List-Id", "Precedence", "In-Reply-To", "References",
    }  # fmt: skip
    assert [address.addr_spec for address in message["To"].addresses] == ["owner@example.com"]
    assert [address.addr_spec for address in message["From"].addresses] == ["ops@example.com"]
    for part in message.walk():
        if part.get_content_type() == "text/html":
            content = part.get_content()
            if "script" in content:
                assert_harmless_html(content)


ARGUMENTS = [
    ("run", "../../x"),
    ("run", "$(touch P)"),
    ("run", "\x1b[31mred"),
    ("run", "x" * 10_240),
    ("show", "1;touch P"),
    ("show", "9" * 30),
    ("logs", "../../etc/passwd"),
    ("tick", "a\nb"),
    ("check", "x" * 10_240),
    ("check", "a\n`touch P`"),
    ("next", "../../x"),
    ("runs", "a\nb"),
]


def test_arguments_are_names_and_nothing_else(opsrunner: Opsrunner, site: Path) -> None:
    for verb, argument in ARGUMENTS:
        answer = opsrunner(verb, "--", argument, site=site)
        assert answer.returncode in (1, 2), verb
        said = answer.stdout + answer.stderr
        assert "crash.log" not in said, verb
        assert "\x1b" not in said
        assert answer.stderr.count("\n") <= 1
        assert len(answer.stderr) < 2_000
    assert not list(site.rglob("P"))
    assert not (site / "var/crash.log").exists()


EMITTER = r"""
import sys
word = sys.argv[1]
write = sys.stdout.buffer.write
if word == "binary":
    write(bytes(range(256)) * 40)
if word == "line":
    for _ in range(100):
        write(b"x" * 1_000_000)
if word == "marks":
    write(b'[{"$moment": "2026-01-01"}, {"$date": "2026-01-01"}, {"a": {"$moment": "x"}}, {"$$date": 1}]')
if word == "odd":
    write(b'[{"a": 1e999, "b": "\\ud800\\u0000\\u001b[2J", "": 1, "items": 2, "__class__": 3}]')
if word == "deep":
    write(b'[{"a": ' + b"[" * 900 + b"]" * 900 + b"}]")
if word == "log":
    write(b"fine\r\n2026-01-01 00:00:00 ERROR forged\n")
    sys.exit("boom\r2026-01-01 00:00:00 ERROR forged\x1b[1A")
"""
OUTPUT = """\
name: {word}
accountable: owner
steps:
  - id: out
    run: [{python}, emit.py, {word}]
    {rows}
    on_failure: continue
  - {{task: Read it, wait: true, approve: {{rows: steps.out.rows, by: owner}}, id: ok}}
  - {{id: each, run: [echo, "=", "{{{{ row }}}}"], for_each: steps.ok.rows, on_failure: continue}}
"""


def test_whatever_a_program_writes_is_kept_and_shown_as_text(
    opsrunner: Opsrunner, make_site: Callable[[Mapping[str, str]], Path]
) -> None:
    words = {"binary": "", "line": "", "marks": "rows: json", "odd": "rows: json", "deep": "rows: json", "log": ""}
    routines = {
        f"routines/{word}.yaml": OUTPUT.format(word=word, python=sys.executable, rows=rows)
        for word, rows in words.items()
    }
    root = make_site({"opsrunner.yaml": SITE, "emit.py": EMITTER, **routines})
    with (root / "log").open("w") as log:
        daemon = subprocess.Popen([str(SCRIPT), "serve", "--no-page"], cwd=root, stdout=log, stderr=log)
        try:
            until(lambda: "in force" in (root / "log").read_text())
            for word in words:
                opsrunner("run", word, site=root)
            verbs = ("show 3", "show 4", "task show 3", "task show 4", "logs 1", "logs 6", "tasks", "digest --send")
            seen = [opsrunner(*verb.split(), site=root) for verb in verbs]
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(timeout=20)

    assert [answer.stderr for answer in seen if answer.returncode not in (0, 1) or "crash.log" in answer.stderr] == []
    for answer in seen:
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", answer.stdout)
    for mail in (root / "var/maildir/new").iterdir():
        for part in email.message_from_bytes(mail.read_bytes(), policy=email.policy.default).walk():
            if part.get_content_maintype() == "text":
                part.get_content().encode("utf-8")
    assert max(path.stat().st_size for path in (root / "var/runs").rglob("*.log")) < 1_200_000
    lines = (root / "log").read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (INFO|WARNING|ERROR) ", line) for line in lines), lines
    assert not any(line.startswith("2026-01-01 00:00:00 ERROR forged") for line in lines)
    assert not any("Traceback" in line or "fault" in line for line in lines), lines


def test_all_that_is_written_is_for_its_owner_alone_under_any_umask(
    opsrunner: Opsrunner, site: Path, tmp_path: Path
) -> None:
    (tmp_path / "proof.txt").write_text("seen")
    before = os.umask(0)
    try:
        opsrunner("init", "new", site=tmp_path)
        for words in (
            "run hostile",
            f"tick 1 --as boss --file {tmp_path / 'proof.txt'}",
            "task add Buy paper --as boss".replace(" paper", "-paper"),
            "digest --html page.html",
            "digest --send",
            "note all-is-well --as boss",
            "try",
        ):
            opsrunner(*words.split(), site=site)
        with subprocess.Popen(
            [str(SCRIPT), "serve", "--no-page"], cwd=site, stderr=subprocess.PIPE, text=True
        ) as daemon:
            assert daemon.stderr is not None
            assert "in force" in daemon.stderr.readline()
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(timeout=20)
    finally:
        os.umask(before)

    written = [
        site / "var",
        *(site / "var").rglob("*"),
        site / "page.html",
        tmp_path / "new",
        *(tmp_path / "new").rglob("*"),
    ]
    kinds = {
        path.relative_to(site / "var").parts[0]
        for path in written
        if path.is_relative_to(site / "var") and path != site / "var"
    }
    assert {"ledger.db", "runs", "checklists", "evidence", "digests", "maildir", "lock", "try"} <= kinds
    assert list((site / "var/evidence").rglob("*proof*"))
    assert [str(path) for path in written if stat.S_IMODE(path.lstat().st_mode) & 0o077] == []


def test_nothing_that_is_shipped_is_a_key_or_a_password(opsrunner: Opsrunner, tmp_path: Path) -> None:
    opsrunner("init", "new", site=tmp_path)
    shipped = [
        path for folder in (Path(opsrunner_package.__file__).parent, tmp_path / "new") for path in folder.rglob("*")
    ]
    texts = {path: path.read_bytes() for path in shipped if path.is_file() and path.suffix not in (".pyc", ".so")}
    assert [str(path) for path, text in texts.items() if re.search(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----", text)] == []
    settings = {path: text for path, text in texts.items() if path.suffix in (".yaml", ".md", ".j2")}
    assert len(settings) > 10
    literal = re.compile(rb"^[^#\n]*\b(password|secret_key|access_key|token)\s*:\s*(?!\{)\S", re.MULTILINE)
    assert [str(path) for path, text in settings.items() if literal.search(text)] == []


OPEN_TO_ALL = ["opsrunner.yaml", "routines/hostile.yaml", "routines", ".", ".."]


@pytest.mark.parametrize("place", OPEN_TO_ALL)
def test_a_site_that_anybody_may_change_runs_nothing(
    opsrunner: Opsrunner, make_site: Callable[[Mapping[str, str]], Path], tmp_path: Path, place: str
) -> None:
    (tmp_path / "above").mkdir(mode=0o700)
    root = make_site(
        {"opsrunner.yaml": SITE, "routines/hostile.yaml": "name: N\naccountable: owner\nsteps: [{run: touch P}]\n"}
    )
    root = root.rename(tmp_path / "above/site")
    (root / place).resolve().chmod(0o777)

    checked = opsrunner("check", site=root)
    ran = opsrunner("run", "hostile", site=root)

    assert checked.returncode == 2
    assert "anybody on this machine may change it (mode 0777), run: chmod o-w" in checked.stdout + checked.stderr
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1
    assert not (root / "P").exists()


def test_a_secret_that_others_may_read_is_not_used(
    opsrunner: Opsrunner, make_site: Callable[[Mapping[str, str]], Path]
) -> None:
    routine = "name: N\naccountable: owner\nsteps: [{run: touch P, env: {S: {file: secrets/s}}}]\n"
    root = make_site({"opsrunner.yaml": SITE, "routines/n.yaml": routine, "secrets/s": "value"})
    (root / "secrets/s").chmod(0o640)
    ran = opsrunner("run", "n", "--json", site=root)
    seen = opsrunner("doctor", site=root)
    (root / "secrets/s").unlink()
    os.mkfifo(root / "secrets/s", 0o600)
    piped = opsrunner("run", "n", "--json", site=root, seconds=20)

    assert (ran.returncode, piped.returncode) == (1, 1) or ran.returncode == 2
    assert not (root / "P").exists()
    assert "others may read" in seen.stdout
    assert "is not a plain file" in json.dumps(json.loads(piped.stdout))


def test_the_last_good_files_of_a_folder_survive_what_is_no_file(
    opsrunner: Opsrunner, make_site: Callable[[Mapping[str, str]], Path]
) -> None:
    root = make_site({"opsrunner.yaml": SITE, "routines/zz.yaml": "name: Z\naccountable: owner\nsteps: [{task: hi}]\n"})
    (root / "routines/loop.yaml").symlink_to("loop.yaml")
    os.mkfifo(root / "routines/pipe.yaml", 0o600)
    (root / "routines/zero.yaml").symlink_to("/dev/zero")
    (root / "routines/folder.yaml").mkdir(mode=0o700)
    (root / "routines/away.yaml").symlink_to("nowhere")
    (root / "routines/big.yaml").write_bytes(b"name: " + b"x" * 10_000_000)
    (root / "routines/deep.yaml").write_bytes(b"[" * 1_000)
    (root / "routines/object.yaml").write_text("a: !!python/object/apply:os.system ['touch P']\n")
    (root / "routines/bytes.yaml").write_bytes(b"name: \xff\xfe\n")
    (root / "routines/nul.yaml").write_bytes(b"name: a\0b\n")
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in pairwise("abcdefgh")
    )
    (root / "routines/bomb.yaml").write_text(bomb)
    for path in (root / "routines").iterdir():
        if path.is_file() and not path.is_symlink():
            path.chmod(0o600)
    started = time.monotonic()
    checked = opsrunner("check", site=root, seconds=20)
    took = time.monotonic() - started

    broken = ("away", "big", "bomb", "bytes", "deep", "folder", "loop", "nul", "object", "pipe", "zero")
    said = checked.stdout + checked.stderr
    assert checked.returncode == 2
    assert [name for name in broken if f"routines/{name}.yaml:" not in said] == []
    assert "unexpected" not in said
    assert took < 5
    assert opsrunner("run", "zz", site=root).returncode == 0
    assert not (root / "P").exists()


def test_five_thousand_files_are_checked_in_bounded_time_and_memory(
    opsrunner: Opsrunner, make_site: Callable[[Mapping[str, str]], Path]
) -> None:
    root = make_site({"opsrunner.yaml": SITE})
    for number in range(5_000):
        path = root / f"routines/r{number}.yaml"
        path.write_text(f"name: R{number}\naccountable: owner\nsteps:\n  - task: Do it\n  - run: ['true']\n")
        path.chmod(0o600)
    watch = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True); "
    watch += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    started = time.monotonic()
    answer = subprocess.run(
        [sys.executable, "-c", watch, str(SCRIPT), "check"], cwd=root, capture_output=True, text=True, check=True
    )

    assert time.monotonic() - started < 30
    assert int(answer.stdout) < 300_000, "kilobytes"


def lose(ledger: Path, how: str) -> None:
    """Do to a ledger what disks, people and restores do."""
    if how in ("truncated", "emptied"):
        os.truncate(ledger, 5_000 if how == "truncated" else 0)
    elif how == "garbage":
        ledger.write_bytes(os.urandom(9_000))
    else:
        ledger.unlink()
    if how == "a folder":
        ledger.mkdir()
    elif how == "a link in a circle":
        ledger.symlink_to(ledger.name)


@pytest.mark.parametrize("how", ["truncated", "emptied", "garbage", "a folder", "a link in a circle", "gone"])
def test_a_lost_ledger_is_named_and_never_made_anew(
    opsrunner: Opsrunner, make_site: Callable[[Mapping[str, str]], Path], how: str
) -> None:
    root = make_site(
        {"opsrunner.yaml": SITE, "routines/n.yaml": "name: N\naccountable: owner\nsteps: [{run: echo hi}]\n"}
    )
    ledger = root / "var/ledger.db"
    opsrunner("run", "n", site=root)
    lose(ledger, how)
    before = ledger.read_bytes() if ledger.is_file() else None

    for words in ("run n", "serve"):
        answer = opsrunner(*words.split(), site=root, seconds=20)
        assert answer.returncode == 1, words
        assert answer.stderr.startswith("opsrunner: ")
        assert "ledger.db" in answer.stderr
        assert answer.stderr.count("\n") == 1

    assert (ledger.read_bytes() if ledger.is_file() else None) == before
    assert not (root / "var/crash.log").exists()
