"""The peer of `site_files`: routine files through PyYAML's C loader and pydantic, without our checks.

The models have the same keys and refuse others. No expression, template, cron expression, day word or name is looked
at, no duplicate key or alias bomb refused, no line known. Run as a script it loads a site once and prints the seconds
that it took.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field


class Keys(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Frame(Keys):
    timezone: str | None = None
    calendar: str | None = None
    on_holiday: Literal["run", "skip", "next business day", "previous business day"] = "run"
    from_: str | None = Field(default=None, alias="from")
    until: Any = None
    except_: Any = Field(default=(), alias="except")


class Every(Frame):
    every: str
    at: Any = ()
    on: str | int | list[str | int] = []
    short_months: Literal["last day", "skip"] | None = None
    between: str | None = None


class Cron(Frame):
    cron: str


class Once(Frame):
    once: str


class Offset(Frame):
    of: str
    offset: str


Rule = Every | Cron | Once | Offset


class CatchUp(Keys):
    policy: Literal["latest", "all", "skip"] = "latest"
    within: str | None = None


class Retry(Keys):
    times: int = Field(ge=0, le=100)
    wait: str = "60s"


class SecretRef(Keys):
    env: str | None = None
    file: str | None = None
    command: list[str] | None = None


class Ssh(Keys):
    hosts: str | list[str]
    run: str
    max_parallel: int = Field(default=10, ge=1, le=100)
    ok_codes: list[int] = [0]
    warn_codes: list[int] = []


class Expect(Keys):
    status: int | list[int] = []
    within: str | None = None
    contains: str = ""
    not_contains: str = ""
    certificate_days: int | None = Field(default=None, ge=0)


class Http(Keys):
    get: str = ""
    head: str = ""
    post: str = ""
    put: str = ""
    headers: dict[str, str | SecretRef] = {}
    body: str = ""
    json_: Any = Field(default=None, alias="json")
    expect: Expect = Expect()
    follow_redirects: bool = True
    verify: bool = True
    timeout: str = "30s"


class Query(Keys):
    source: str
    where: dict[str, Any] = {}
    sql: str | None = None
    params: dict[str, str | bool | int | float | None] = {}
    order_by: str | list[str] = []
    limit: int | None = Field(default=None, ge=1)


class Email(Keys):
    to: str | list[str]
    subject: str = ""
    body: str = ""
    template: str = ""


class Escalation(Keys):
    after: str
    to: str


class NumberEvidence(Keys):
    name: str = ""
    minimum: float | None = None
    maximum: float | None = None
    need: Literal["required", "optional"] = "required"


class Evidence(Keys):
    note: Literal["required", "optional"] | None = None
    number: Literal["required", "optional"] | NumberEvidence | None = None
    choice: list[str] = []
    file: Literal["required", "optional"] | None = None


class Approval(Keys):
    rows: str
    by: str
    not_self: bool = False


class Step(Keys):
    id: str | None = None
    name: str = ""
    when: str | None = None
    for_each: str | None = None
    key: str | None = None
    timeout: str = "1h"
    retry: Retry | None = None
    env: dict[str, str | SecretRef] = {}
    on_failure: Literal["stop", "continue"] = "stop"
    follow_up: bool = True
    urgent: bool = False
    warn_if: str | None = None
    fail_if: str | None = None
    rows: Literal["json", "csv", "lines"] | None = None
    once: str | None = None
    after_crash: Literal["ask", "rerun"] | None = None
    run: str | list[str] | None = None
    cwd: str = ""
    stdin: str = ""
    user: str = ""
    ok_codes: list[int] = [0]
    warn_codes: list[int] = []
    preset: Literal["restic", "borg", "rsync"] | None = None
    ssh: Ssh | None = None
    http: Http | None = None
    query: Query | None = None
    email: Email | None = None
    checklist: str | None = None
    task: str | None = None
    how: str = ""
    link: str = ""
    role: str | None = None
    due: Any = None
    remind: str | list[str] | None = None
    escalate: Escalation | list[Escalation] | None = None
    evidence: Evidence | None = None
    expires: Literal["next", "due", "never"] | None = None
    wait: bool = False
    done_when: str | None = None
    closes_when_gone: bool = False
    approve: Approval | None = None


class Routine(Keys):
    name: str
    about: str = ""
    accountable: str
    tags: str | list[str] = []
    schedule: Rule | list[Rule] | None = None
    catch_up: Literal["latest", "all", "skip"] | CatchUp = "latest"
    overlap: Literal["skip", "queue"] = "skip"
    steps: list[Step] = Field(min_length=1)
    renamed_from: str | None = None


def load(root: Path) -> dict[str, Routine]:
    """Return the routines of a site by their ids."""
    routines: dict[str, Routine] = {}
    for path in sorted((root / "routines").glob("*.yaml")):
        with path.open("rb") as stream:
            routines[path.stem] = Routine.model_validate(yaml.load(stream, Loader=yaml.CSafeLoader))
    return routines


def main() -> None:
    """Print how many seconds one load takes."""
    before = time.process_time()
    load(Path(sys.argv[1]))
    print(time.process_time() - before)


if __name__ == "__main__":
    main()
