"""The step `email`: whom it mails, what it says, and what it refuses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from opsrunner.errors import StepFailed
from opsrunner.model.mail import NewMail
from opsrunner.secrets import MASK
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.email import KIND, Options, run

CallMaker = Callable[..., StepCall]
PLAIN = {"to": "kari@example.com", "subject": "Hello", "body": "Text"}

MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"to": "a@example.com"}, "needs either body or template"),
    ({"to": "a@example.com", "body": "x", "template": "y"}, "needs either body or template"),
    ({"to": "a@example.com", "body": "x"}, "needs a subject"),
    ({"to": "a@example.com", "template": "y", "subject": "x"}, "the subject is the first line of the template"),
    ({"to": [], "subject": "x", "body": "x"}, "needs at least one recipient"),
    ({"to": "", "subject": "x", "body": "x"}, "at least 1 character"),
    ({"subject": "x", "body": "x"}, "Field required"),
]


@pytest.mark.parametrize(("options", "message"), MISTAKES)
def test_it_refuses_options_that_make_no_mail(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Options.model_validate(options)
    assert message in str(caught.value)


def test_it_queues_one_mail_for_each_address(means: Means, outbox: list[NewMail], make_call: CallMaker) -> None:
    people = {"support": ("a@example.com", "b@example.com"), "b@example.com": ("b@example.com",)}
    known = dataclasses.replace(means, addresses=people.__getitem__)
    options = Options.model_validate({**PLAIN, "to": ["support", "b@example.com"]})
    outcome = run(make_call(options), known)
    assert [mail.to for mail in outbox] == ["a@example.com", "b@example.com"]
    assert {(mail.subject, mail.text, mail.html, mail.about) for mail in outbox} == {
        ("Hello", "Text", "", "welcome mail")
    }
    assert (outcome.message, outcome.facts) == ("mail to 2 recipients", {"mails": 2})


REFUSED = [
    "a, b@evil.example",
    "a@example.com, b@evil.example",
    "a@example.com\nBcc: b@evil.example",
    "a@example.com\0",
    "a@example.com\u2028b@evil.example",
    "nobody",
    "Kari <a@example.com>, b@evil.example",
]


@pytest.mark.parametrize("to", REFUSED)
def test_it_refuses_what_is_not_one_address(means: Means, outbox: list[NewMail], make_call: CallMaker, to: str) -> None:
    with pytest.raises(StepFailed, match="not a mail address") as caught:
        run(make_call(Options.model_validate({**PLAIN, "to": to})), means)
    assert caught.value.permanent
    assert outbox == []


def test_it_queues_nothing_when_one_of_several_is_refused(
    means: Means, outbox: list[NewMail], make_call: CallMaker
) -> None:
    with pytest.raises(StepFailed):
        run(make_call(Options.model_validate({**PLAIN, "to": ["a@example.com", "nobody"]})), means)
    assert outbox == []


def test_it_fails_where_nobody_holds_a_role(means: Means, make_call: CallMaker) -> None:
    empty = dataclasses.replace(means, addresses=lambda _name: ())
    with pytest.raises(StepFailed, match="nobody holds 'on-call'"):
        run(make_call(Options.model_validate({**PLAIN, "to": "on-call"})), empty)


def test_it_makes_one_line_of_any_subject(means: Means, outbox: list[NewMail], make_call: CallMaker) -> None:
    subject = "Hi\r\nBcc: x@evil.example\0\u2028there\u202e"
    run(make_call(Options.model_validate({**PLAIN, "subject": subject})), means)
    assert outbox[0].subject == "Hi Bcc: x@evil.example there"


def test_it_masks_a_secret_that_came_into_the_text(means: Means, outbox: list[NewMail], make_call: CallMaker) -> None:
    means.vault.remember("hunter22")
    run(make_call(Options.model_validate({**PLAIN, "subject": "is hunter22", "body": "hunter22"})), means)
    assert (outbox[0].subject, outbox[0].text) == (f"is {MASK}", MASK)


def _report(root: Path, name: str, text: str) -> None:
    (root / "reports").mkdir(exist_ok=True)
    (root / "reports" / name).write_text(text, encoding="utf-8")


def test_it_takes_subject_text_and_html_from_the_templates(
    tmp_path: Path, means: Means, outbox: list[NewMail], make_call: CallMaker
) -> None:
    _report(tmp_path, "welcome.txt.j2", "Subject: Welcome {{ row.name }}\n\nDear {{ row.name }}\n")
    _report(tmp_path, "welcome.html.j2", "<p>Dear {{ row.name }}</p>")
    options = Options.model_validate({"to": "kari@example.com", "template": "welcome"})
    run(make_call(options, context={"row": {"name": "<script>x</script>{{ 7*7 }}"}}), means)
    assert outbox[0].subject == "Welcome <script>x</script>{{ 7*7 }}"
    assert outbox[0].text == "Dear <script>x</script>{{ 7*7 }}\n"
    assert outbox[0].html == "<p>Dear &lt;script&gt;x&lt;/script&gt;{{ 7*7 }}</p>"


def test_it_sends_text_alone_where_there_is_no_html(
    tmp_path: Path, means: Means, outbox: list[NewMail], make_call: CallMaker
) -> None:
    _report(tmp_path, "note.txt.j2", "Subject: Note\n\nText\n")
    run(make_call(Options.model_validate({"to": "kari@example.com", "template": "note"})), means)
    assert (outbox[0].text, outbox[0].html) == ("Text\n", "")


TEMPLATES = [
    ("nothing", None, "there is no report template 'nothing.txt.j2' in reports/"),
    ("../secret", None, "is not the name of a report template"),
    ("bare", "Dear all\n", "bare.txt.j2:1: the first line must be 'Subject: …'"),
    ("empty", "Subject: {{ '' }}\n\nx", "the subject is empty"),
    ("strange", "Subject: {{ row.nope }}\n\nx", "has no 'nope'"),
]


@pytest.mark.parametrize(("name", "text", "message"), TEMPLATES)
def test_it_says_what_is_wrong_with_a_template(
    tmp_path: Path, means: Means, make_call: CallMaker, name: str, text: str | None, message: str
) -> None:
    if text is not None:
        _report(tmp_path, f"{name}.txt.j2", text)
    with pytest.raises(StepFailed) as caught:
        run(
            make_call(Options.model_validate({"to": "a@example.com", "template": name}), context={"row": {"a": 1}}),
            means,
        )
    assert message in str(caught.value)
    assert caught.value.permanent


def test_it_previews_a_mail_in_one_line() -> None:
    assert KIND.preview(Options.model_validate(PLAIN)) == "mail “Hello” to kari@example.com"
