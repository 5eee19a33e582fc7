"""Mail templates: what they are made of, and what they may not be made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsrunner.errors import ExpressionError
from opsrunner.templates.mail_pages import open_mail_page

REPORTS = Path(__file__).parents[3] / "reports"


def test_the_texts_of_a_template_are_all_that_it_is_made_of(tmp_path: Path) -> None:
    home, packaged = tmp_path / "home", tmp_path / "packaged"
    for folder in (home, packaged):
        folder.mkdir()
    (home / "a.txt.j2").write_text(
        "Subject: Hm\n{% extends 'frame.txt.j2' %}{% include ['none.txt.j2', 'b.txt.j2'] %}", encoding="utf-8"
    )
    (packaged / "frame.txt.j2").write_text("{% import 'words.txt.j2' as words %}", encoding="utf-8")
    (home / "b.txt.j2").write_text("{% include 'b.txt.j2' %}", encoding="utf-8")
    (home / "words.txt.j2").write_text("mine", encoding="utf-8")
    (packaged / "words.txt.j2").write_text("theirs", encoding="utf-8")
    page = open_mail_page("a", folders=(home, packaged))
    assert page.sources[1:] == ("{% import 'words.txt.j2' as words %}", "{% include 'b.txt.j2' %}", "mine")


def test_the_ready_letters_say_what_they_extend() -> None:
    sources = open_mail_page("renewal", folders=(REPORTS,)).sources
    for name in ("renewal.txt.j2", "letter.txt.j2", "renewal.html.j2", "letter.html.j2"):
        assert (REPORTS / name).read_text(encoding="utf-8").rstrip("\n") in {one.rstrip("\n") for one in sources}, name


def test_data_do_not_choose_what_a_mail_is_made_of(tmp_path: Path) -> None:
    (tmp_path / "a.txt.j2").write_text("Subject: Hm\n{% include row.frame %}", encoding="utf-8")
    with pytest.raises(ExpressionError, match=r"a.txt.j2: a mail names what it extends, includes or imports in plain"):
        open_mail_page("a", folders=(tmp_path,))


def test_a_mistake_in_what_a_mail_is_made_of_says_where(tmp_path: Path) -> None:
    (tmp_path / "a.txt.j2").write_text("Subject: Hm\n{% include 'b.txt.j2' %}", encoding="utf-8")
    (tmp_path / "b.txt.j2").write_text("one\n{{ two", encoding="utf-8")
    with pytest.raises(ExpressionError, match=r"b.txt.j2: line 2: "):
        open_mail_page("a", folders=(tmp_path,))
