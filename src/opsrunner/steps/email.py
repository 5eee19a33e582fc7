"""The step kind `email`: one mail to each recipient, from a text or from a template in `reports/`."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from opsrunner.mail.headers import clean_line
from opsrunner.steps.fields import one_or_many
from opsrunner.steps.kind import InModule, Kind, StepOptions

Recipients = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    BeforeValidator(one_or_many),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


class Options(StepOptions):
    """What stands in `email:`. With `template` the subject is the template's first line."""

    to: Recipients
    """Roles, rosters, people or mail addresses; each gets a mail of its own."""
    subject: str = ""
    body: str = ""
    template: str = ""
    """`welcome` is `reports/welcome.txt.j2`, with `reports/welcome.html.j2` beside it if it is there."""

    @model_validator(mode="after")
    def _has_one_text(self) -> Options:
        if not self.to:
            raise ValueError("needs at least one recipient")
        if bool(self.body) == bool(self.template):
            raise ValueError("needs either body or template")
        if self.body and not self.subject:
            raise ValueError("needs a subject")
        if self.template and self.subject:
            raise ValueError("the subject is the first line of the template; leave subject out")
        return self


def preview(options: Options) -> str:
    """Return what would be sent to whom as one line."""
    what = f"template {options.template}" if options.template else f"“{clean_line(options.subject, length=60)}”"
    return f"mail {what} to {clean_line(', '.join(options.to), length=100)}"


run = InModule("email_run")

KIND = Kind(
    name="email",
    summary="Send a mail to a role, a person or an address.",
    options=Options,
    run=run,
    preview=preview,
    writes_files=False,
    reads_only=True,  # its mails are queued in one commit with its end: cut off before, it has sent nothing
)
