import pytest

from opsrunner.model.database import Database
from opsrunner.sources.database_url import parse_database_url, sqlite_path


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("mysql://ops@db1.example.com/whmcs", ("mysql", "db1.example.com", 3306, "ops", None, "whmcs")),
        ("mariadb://ops:p%40ss@127.0.0.1:3307/a%20b", ("mysql", "127.0.0.1", 3307, "ops", "p@ss", "a b")),
        ("postgresql://[::1]/billing", ("postgresql", "::1", 5432, "", None, "billing")),
        ("postgres://db/x", ("postgresql", "db", 5432, "", None, "x")),
    ],
)
def test_it_reads_an_address(text: str, known: tuple[object, ...]) -> None:
    found = parse_database_url(text)

    assert (found.engine, found.host, found.port, found.user, found.password, found.name) == known
    assert "p@ss" not in repr(found)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("oracle://ops:5ecret@db/x", "is no address of a database"),
        ("mysql://ops:5ecret@db/", "names no database"),
        ("mysql:///x", "names no host"),
        ("mysql://ops:5ecret@db:99999/x", "names no port"),
        ("mysql://ops:5ecret@db/x?ssl=false", "ends with options"),
        ("mysql://ops:5ecret@[db/x", "is no address of a database"),
        ("db1.example.com", "is no address of a database"),
    ],
)
def test_it_says_what_is_wrong_and_never_what_was_written(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as wrong:
        parse_database_url(text)
    assert "5ecret" not in str(wrong.value)


def test_a_file_is_found_by_its_strokes() -> None:
    assert sqlite_path("sqlite:///data/x.db") == "data/x.db"
    assert sqlite_path("sqlite:////srv/x.db") == "/srv/x.db"
    assert sqlite_path("mysql://db/x") is None
    with pytest.raises(ValueError, match="names no file"):
        sqlite_path("sqlite://data/x.db")


@pytest.mark.parametrize(
    ("database", "is_encrypted"),
    [
        (Database(host="127.0.0.1"), False),
        (Database(host="::1"), False),
        (Database(host="localhost"), False),
        (Database(host="127.0.0.1", ca="ca.pem"), True),
        (Database(host="localhost.example.com"), True),
        (Database(host="127.1"), True),
        (Database(host="10.0.0.1"), True),
        (Database(host="db1", socket="/run/x.sock"), False),
        (Database(host="db1", verify=False), True),
    ],
    ids=repr,
)
def test_tls_is_spoken_with_every_other_machine(database: Database, is_encrypted: bool) -> None:
    assert database.is_encrypted is is_encrypted
