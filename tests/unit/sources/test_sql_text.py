import pytest

from opsrunner.errors import StepFailed
from opsrunner.model.database import Engine
from opsrunner.sources.sql_text import bound, require_reading, tokens

ENGINES: tuple[Engine, ...] = ("mysql", "postgresql")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "sql",
    [
        "select 'it''s', \"a b\", 1 -- rest\n, 2 /* more */",
        "select $$ 'x' $$, `q`, 'unclosed",
        "select a::int, b[1:2], '12:30:00', :id",
        "",
    ],
)
def test_the_pieces_are_the_text_again(engine: Engine, sql: str) -> None:
    assert "".join(token.text for token in tokens(sql, engine)) == sql


@pytest.mark.parametrize(
    "sql",
    [
        "select 1",
        "  -- why\n SELECT into_account, \"into\", 'insert into x' from t",
        "with a as (select 1) select * from a",
        "(select 1) union (select 2)",
        "values (1), (2)",
        "select case when locked = 1 then 'for update' end from t",
        "select load_file, lo_total from t where lo_total in (1) and get_lock > (2)",
        "select 'load_file(1)', upper('a') /* dblink(x) */ from t",
    ],
)
def test_what_only_reads_may_be_asked(sql: str) -> None:
    for engine in ENGINES:
        require_reading(sql, engine, name="billing")


@pytest.mark.parametrize(
    ("sql", "engine", "words"),
    [
        ("insert into t values (1)", "mysql", "begins|starts with SELECT"),
        ("", "mysql", "starts with SELECT"),
        ("select 1 into outfile '/tmp/x'", "mysql", "INTO writes"),
        ("select 1 --1 into outfile '/tmp/x'", "mysql", "INTO writes"),  # no comment for MariaDB: minus minus one
        ("select 1 # '\n into @x", "mysql", "INTO writes"),
        ("select 'a\\'b' into @x -- '", "mysql", "INTO writes"),
        ("select 'a\\' into x -- '", "postgresql", "INTO writes"),  # a stroke is only a stroke there
        ("select $x$ ' $x$ into t", "postgresql", "INTO writes"),
        ("select 1 /*!99999 into outfile 'x' */", "mysql", "leave /\\*! out"),
        ("select 1 --\u00a0into outfile '/tmp/x'\n", "mysql", "INTO writes"),  # a blank for us, and none for MariaDB
        ("select 'a\\' into outfile 'x' -- '", "mysql", "INTO writes"),  # with NO_BACKSLASH_ESCAPES the text ends there
        ('select "a\\" into outfile \'x\' # "', "mysql", "INTO writes"),  # so with ANSI_QUOTES
        ("select 1 -- why\r into t", "postgresql", "INTO writes"),
        ("select 1 /* /* */ ' */, lo_export(1, 'x') -- '", "postgresql", "comment in a comment"),
        ("select load_file ('/etc/passwd')", "mysql", r"load_file\(\) reaches past"),
        ("select `LOAD_FILE`/**/('/etc/passwd')", "mysql", r"load_file\(\) reaches past"),
        ("select sys.get_lock('a', 1)", "mysql", r"get_lock\(\) reaches past"),
        ("select pg_read_file('/etc/passwd')", "postgresql", r"pg_read_file\(\) reaches past"),
        ("select pg_catalog.\"lo_export\"(1, '/tmp/x')", "postgresql", r"lo_export\(\) reaches past"),
        ("select * from dblink_exec('host=x', 'drop table t')", "postgresql", r"dblink_exec\(\) reaches past"),
        ("select pg_terminate_backend(pid) from pg_stat_activity", "postgresql", r"pg_terminate_backend\(\) reaches"),
        ("select * from t for update", "mysql", "FOR UPDATE … locks"),
        ("select * from t lock in share mode", "mysql", "LOCK IN … locks"),
        ("select * from t for no key update", "postgresql", "FOR NO … locks"),
    ],
)
def test_what_does_more_is_named(sql: str, engine: Engine, words: str) -> None:
    with pytest.raises(StepFailed, match=words) as failed:
        require_reading(sql, engine, name="billing")
    assert failed.value.permanent


def test_values_stand_where_they_are_asked_for_and_nowhere_else() -> None:
    sql = "select ':no', a::int, 100 % 3 from t where a = :a and b = :b or c = :a -- :never"

    text, values = bound(sql, {"a": 1, "b": None, "c": "unused"}, "postgresql")

    assert text == "select ':no', a::int, 100 %% 3 from t where a = %(a)s and b = %(b)s or c = %(a)s -- :never"
    assert values == {"a": 1, "b": None}
