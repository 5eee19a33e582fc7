"""What `opsrunner.yaml` may say about answers over HTTP that come in pages."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from opsrunner.config.fields import Flag, Keys, Text
from opsrunner.model.site import Pages
from opsrunner.sources.json_paths import check_path


def _check_next(path: str) -> str:
    check_path(path)
    return path


_FORMS = ("next", "page", "offset", "link_header")


class PageKeys(Keys):
    """How an answer goes on; one of `next`, `page`, `offset` and `link_header`."""

    next: Annotated[Text, AfterValidator(_check_next)] | None = Field(
        default=None, description="Where in the answer the next page's address lies, in JMESPath; or a cursor."
    )
    parameter: Text | None = Field(default=None, description="The parameter of the address that takes the cursor.")
    page: Text | None = Field(default=None, description="The parameter that counts pages.")
    offset: Text | None = Field(default=None, description="The parameter that counts items.")
    link_header: Flag = Field(default=False, description="The header Link names the next page.")
    first: Annotated[int, Field(ge=0, strict=True)] | None = Field(
        default=None, description="Where page (1) or offset (0) begins."
    )
    most: Annotated[int, Field(ge=1, le=10_000, strict=True)] = Field(
        default=1000, description="More pages are an error."
    )

    @model_validator(mode="after")
    def _one_form(self) -> PageKeys:
        forms = [form for form in _FORMS if getattr(self, form)]
        if len(forms) != 1:
            raise ValueError(f"must be one of: {', '.join(_FORMS)}")
        if self.parameter is not None and self.next is None:
            raise ValueError("parameter is for a cursor, which next finds")
        if self.first is not None and forms[0] not in ("page", "offset"):
            raise ValueError(f"first does not go with {forms[0]}")
        return self

    def to_pages(self) -> Pages:
        """Return how the answer goes on."""
        return Pages(
            next=self.next or "",
            parameter=self.parameter or "",
            page=self.page or "",
            offset=self.offset or "",
            link_header=self.link_header,
            first=self.first if self.first is not None else 1 if self.page else 0,
            most=self.most,
        )
