"""The options of tasks and checklists."""

from __future__ import annotations

from datetime import time

import pytest
from pydantic import ValidationError

from opsrunner.model.routine import Due
from opsrunner.steps import checklist, task
from opsrunner.steps.evidence import EvidenceOptions
from opsrunner.steps.task import TaskOptions, parse_due

DUES = {
    "10:00": Due(at=time(10)),
    "9:05": Due(at=time(9, 5)),
    "+4h": Due(after_seconds=14400),
    "+1h30m": Due(after_seconds=5400),
    "+4h business": Due(after_seconds=14400, business=True),
    "+3d": Due(after_seconds=259200),
}


@pytest.mark.parametrize(("text", "due"), DUES.items())
def test_it_reads_when_a_task_is_due(text: str, due: Due) -> None:
    assert parse_due(text) == due


@pytest.mark.parametrize(
    "value", ["", "4h", "-4h", "+4", "+4h busy", "+4h business days", "25:00", "24:00", 10, None, ["10:00"]]
)
def test_it_refuses_what_says_no_time(value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_due(value)


REQUIRED = [
    # evidence, whether a person must give something
    ({}, False),
    ({"note": "optional", "file": "optional", "number": "optional"}, False),
    ({"number": {"name": "GB", "need": "optional"}}, False),
    ({"note": "required"}, True),
    ({"number": "required"}, True),
    ({"number": {"name": "GB"}}, True),
    ({"file": "required"}, True),
    ({"choice": ["yes", "no"]}, True),
    ({"form": {"score": {"number": [1, 5]}}}, True),
    ({"form": {"score": {"number": [1, 5], "need": "optional"}, "why": "optional"}}, False),
    ({"form": {"note": "required"}}, True),
]


@pytest.mark.parametrize(("evidence", "required"), REQUIRED)
def test_required_evidence_and_a_tick_of_the_machine_exclude_each_other(
    evidence: dict[str, object], required: bool
) -> None:
    assert EvidenceOptions.model_validate(evidence).is_required is required

    written = {"task": "Look", "evidence": evidence, "done_when": "steps.a.status == 'succeeded'"}
    if required:
        with pytest.raises(ValidationError, match="the machine has none to give"):
            TaskOptions.model_validate(written)
    else:
        assert TaskOptions.model_validate(written).done_when is not None


def test_people_do_both_kinds() -> None:
    assert task.KIND.run is None
    assert checklist.KIND.run is None
    assert task.KIND.preview(TaskOptions(task="Look around")) == "opens the task: Look around"


def test_a_task_is_due_when_its_row_says_and_comes_again_after_a_while_or_never() -> None:
    options = TaskOptions.model_validate({"task": "Look", "due": "row.due_at", "again": "4w"})

    assert options.due == Due(row="row.due_at")
    assert options.again == 4 * 7 * 86400
    assert TaskOptions.model_validate({"task": "Look", "again": "never"}).again is None
    assert TaskOptions.model_validate({"task": "Look"}).again == 0


def test_the_note_of_a_form_is_the_note_that_every_tick_has() -> None:
    evidence = EvidenceOptions.model_validate({"form": {"score": {"number": [1, 5]}, "note": "required"}})

    assert (evidence.note, list(evidence.form)) == ("required", ["score"])


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"score": {"number": [5, 1]}}, "has no numbers from 5 to 1"),
        ({"score": {}}, "needs either number"),
        ({"score": {"number": [1, 5], "choice": ["a"]}}, "needs either number"),
        ({"How much": "required"}, "is no name of a field"),
        ({f"f{number}": "required" for number in range(31)}, "has more than 30 fields"),
    ],
)
def test_a_form_that_cannot_be_is_refused(form: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        EvidenceOptions.model_validate({"form": form})
