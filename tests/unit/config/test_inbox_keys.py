"""Feeds and mailboxes as the site file says them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from opsrunner.config.inbox_keys import FeedsKeys, ImapKeys
from opsrunner.config.loader import Loaded
from opsrunner.secrets import SecretRef
from opsrunner.sources.shapes import OWN_SHAPES

Load = Callable[[Mapping[str, str]], Loaded]
PAGE = (Path(__file__).parents[3] / "docs/community.md").read_text(encoding="utf-8")
HEAD = """\
site: Example Hosting
people: {boss: {name: The owner, email: owner@example.com, roles: [owner]}}
sources:
  services: {csv: services.csv}
"""
INBOX = "host: mail.example.com, username: abuse@example.com, password: {file: secrets/imap}"


def loaded(load: Load, source: str) -> Loaded:
    return load({"opsrunner.yaml": f"{HEAD}  x: {source}\n"})


def test_feeds_have_defaults_and_columns_of_their_own(load: Load) -> None:
    found = loaded(load, "{feeds: {urls: https://forum.example.com/rss}}")

    assert found.problems == ()
    assert found.site is not None
    source = found.site.sources["x"]
    assert (source.kind, source.columns) == ("feeds", OWN_SHAPES["entries"])
    assert source.where == {
        "urls": ("https://forum.example.com/rss",),
        "per_host": 2,
        "timeout": 10,
        "limit": 2_000_000,
    }


def test_addresses_may_be_paths_and_secrets(load: Load) -> None:
    found = loaded(load, "{feeds: {urls: [$STATE/sample/forum.rss, data/x.atom, {env: FEED}], limit: 5MB}}")

    assert found.problems == ()
    assert found.site is not None
    assert found.site.sources["x"].where["urls"] == ("$STATE/sample/forum.rss", "data/x.atom", SecretRef(env="FEED"))


def test_a_mailbox_keeps_its_secret_a_reference(load: Load) -> None:
    found = loaded(load, f"{{imap: {{{INBOX}, folder: [INBOX, Sent], gives: reports, match: services, since: 90d}}}}")

    assert found.problems == ()
    assert found.site is not None
    where = found.site.sources["x"].where
    assert where["password"] == SecretRef(file="secrets/imap")
    assert where["folder"] == ("INBOX", "Sent")
    assert where["since"] == 90 * 86400
    assert found.site.sources["x"].columns == OWN_SHAPES["reports"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{feeds: {urls: []}}", "sources.x.feeds.urls"),
        (
            "{feeds: {urls: file:///etc/passwd}}",
            "'file:///etc/passwd' is no web address, of a file write its path alone",
        ),
        ("{feeds: {urls: ftp://x.example/a}}", "is no web address"),
        ("{feeds: {urls: 'javascript:alert(1)'}}", "is no web address"),
        ("{feeds: {urls: a.rss, limit: 1GB}}", "must be between 1kB and 20MB"),
        ("{feeds: {urls: a.rss, per_host: 0}}", "sources.x.feeds.per_host"),
        ("{feeds: {urls: a.rss}, columns: {entry: text}}", "columns are not given for feeds and imap"),
        ("{feeds: {urls: a.rss}, csv: x.csv}", "must be one of: csv, "),
        ("{feeds: {url: a.rss}}", "did you mean 'urls'"),
        ("{imap: {host: x, username: a@b.example}}", "needs a password or a token, one of them"),
        (f"{{imap: {{{INBOX}, token: {{env: T}}}}}}", "needs a password or a token, one of them"),
        (f"{{imap: {{{INBOX}, match: services}}}}", "match goes with gives: reports"),
        (f"{{imap: {{{INBOX}, gives: reports, match: servces}}}}", "did you mean 'services'"),
        (f"{{imap: {{{INBOX}, ours: [nobody]}}}}", "is neither a mail address nor a domain"),
        (f"{{imap: {{{INBOX}, security: ssl}}}}", "sources.x.imap.security"),
        (f"{{imap: {{{INBOX}, port: 70000}}}}", "sources.x.imap.port"),
        (f"{{imap: {{{INBOX}, folder: []}}}}", "folder names none"),
        (f'{{imap: {{{INBOX}, folder: "a\\r\\nb"}}}}', "has a control character in it"),
        ("{imap: {host: x, username: abuse, password: {env: P}}}", "does not say which addresses are ours"),
        ("{imap: {host: x, username: abuse, password: hunter2}}", "must be a reference to a secret"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(source: str, message: str, load: Load) -> None:
    problems = [str(problem) for problem in loaded(load, source).problems]

    assert len(problems) == 1, problems
    assert message in problems[0]
    assert problems[0].startswith("opsrunner.yaml:5:")
    assert "hunter2" not in problems[0]


@pytest.mark.parametrize(("keys", "title"), [(FeedsKeys, "feeds"), (ImapKeys, "imap")])
def test_every_key_stands_in_the_docs_with_its_default(keys: type[FeedsKeys] | type[ImapKeys], title: str) -> None:
    table = PAGE.partition(f"| Key (in `{title}`)")[2].partition("\n\n")[0]
    told = (
        {name: line for line in table.splitlines() for name in re.findall(r"`([a-z_]+)`", line.split("|")[1])}
        if table
        else {}
    )

    assert set(told) == set(keys.model_fields)
    for name, field in keys.model_fields.items():
        assert field.is_required() == (f"**`{name}`**" in told[name])


@pytest.mark.parametrize("shape", sorted(OWN_SHAPES))
def test_every_column_stands_in_the_docs(shape: str) -> None:
    assert {column.name for column in OWN_SHAPES[shape] if f"`{column.name}`" not in PAGE} == set()
