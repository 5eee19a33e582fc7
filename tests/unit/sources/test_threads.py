from datetime import UTC, datetime, timedelta

from opsrunner.sources.mail_headers import read_heads
from opsrunner.sources.threads import Mail, thread_together

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def mail(
    id_: str,
    *answers: str,
    minute: int = 0,
    ours: bool = False,
    flags: tuple[str, ...] = (),
    automatic: str = "",
    sender: str = "",
) -> Mail:
    lines = [
        f"Message-ID: <{id_}>",
        "Subject: Help",
        f"From: {sender or ('us@example.com' if ours else 'kari@x.example')}",
    ]
    lines += [f"References: {' '.join(f'<{one}>' for one in answers)}"] if answers else []
    lines += [f"Auto-Submitted: {automatic}"] if automatic else []
    heads = read_heads("\r\n".join([*lines, "", ""]).encode())
    at = NOON + timedelta(minutes=minute)
    return Mail(heads=heads, at=at, folder="INBOX", uid=minute + 1, flags=flags, is_ours=ours)


def waits(*mails: Mail) -> list[tuple[str, str, int]]:
    return [(thread.key, thread.waits_for, len(thread.mails)) for thread in thread_together(mails)]


def test_a_mail_waits_for_us_until_somebody_of_ours_writes() -> None:
    question = mail("a@x")
    assert waits(question) == [("a@x", "us", 1)]
    assert waits(question, mail("b@x", "a@x", minute=5, ours=True)) == [("a@x", "them", 2)]
    assert waits(question, mail("b@x", "a@x", minute=5, ours=True), mail("c@x", "a@x", "b@x", minute=9)) == [
        ("a@x", "us", 3)
    ]


def test_it_waits_since_what_was_written_after_our_answer() -> None:
    (thread,) = thread_together(
        [
            mail("a@x"),
            mail("b@x", "a@x", minute=5, ours=True),
            mail("c@x", "a@x", minute=9),
            mail("d@x", "a@x", minute=30),
        ]
    )

    assert thread.waiting_since == NOON + timedelta(minutes=9)


def test_a_receipt_of_a_program_of_ours_is_no_answer() -> None:
    receipt = mail("b@x", "a@x", minute=1, ours=True, automatic="auto-replied")
    assert waits(mail("a@x"), receipt) == [("a@x", "us", 2)]


def test_a_note_that_they_are_away_asks_nothing() -> None:
    mails = [mail("a@x"), mail("b@x", "a@x", minute=5, ours=True)]
    assert waits(*mails, mail("c@x", "b@x", minute=6, automatic="auto-replied")) == [("a@x", "them", 3)]


def test_what_programs_of_others_write_unasked_waits_for_us() -> None:
    assert waits(mail("a@x", automatic="auto-generated")) == [("a@x", "us", 1)]
    assert waits(mail("a@x", automatic="auto-replied")) == [("a@x", "us", 1)]  # an answer to nothing of ours


def test_an_answer_that_lies_elsewhere_is_known_by_its_flag() -> None:
    assert waits(mail("a@x", flags=("answered", "seen"))) == [("a@x", "them", 1)]
    assert waits(mail("a@x", flags=("answered",)), mail("b@x", "a@x", minute=9)) == [("a@x", "us", 2)]


def test_an_answer_within_the_same_second_is_one() -> None:
    assert waits(mail("a@x"), mail("b@x", "a@x", ours=True)) == [("a@x", "them", 2)]
    answer, question = mail("b@x", "a@x", minute=5, ours=True), mail("c@x", "a@x", minute=5)
    assert waits(mail("a@x"), answer, question) == [("a@x", "us", 3)]


def test_a_thread_keeps_its_name_when_its_first_mail_is_filed_away() -> None:
    first, answer = mail("a@x"), mail("b@x", "a@x", minute=5)
    assert waits(first, answer)[0][0] == waits(answer)[0][0] == "a@x"


def test_mails_that_nobody_knows_to_belong_together_are_joined_by_one_that_does() -> None:
    mails = [mail("b@x", minute=1), mail("c@x", minute=2), mail("d@x", "b@x", "c@x", minute=3)]
    assert waits(*mails) == [("b@x", "us", 3)]


def test_a_copy_in_another_folder_counts_once_but_a_stranger_under_its_name_does_not_hide() -> None:
    ours = mail("b@x", "a@x", minute=5, ours=True)
    assert waits(mail("a@x"), ours, ours) == [("a@x", "them", 2)]
    stranger = mail("b@x", minute=7, sender="stranger@evil.example")
    assert waits(mail("a@x"), ours, stranger) == [("a@x", "us", 3)]


def test_ten_thousand_mails_are_put_together_at_once() -> None:
    chain = [mail(f"{number}@x", *([f"{number - 1}@x"] if number else []), minute=number) for number in range(5000)]
    others = [mail(f"other{number}@x", minute=number) for number in range(5000)]
    found = thread_together([*chain[::-1], *others])

    assert len(found) == 5001
    assert {len(thread.mails) for thread in found} == {1, 5000}
