"""Which tables say something of a person, and what becomes of their rows when the person is erased.

A test holds every table of every service against these declarations: one that is in none of them fails it.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
import psycopg
from psycopg import sql

OWN: Final = "row.owner_id = %(subject)s"
_ROWS_AT_ONCE = 500
# The guards of rows that nobody may change let this pass (`SET LOCAL`, so for one transaction alone).
_ERASING = "SET LOCAL kgents.erasing = 'on'"


@dataclass(frozen=True, slots=True)
class PersonalTable:
    """One table. `whose` is the SQL condition of rows that are of `%(subject)s`; the table is called `row` in it.

    When the person is erased the rows are deleted, or changed as `becomes` says (what stands after SET), or stay as
    they are where that is empty: then they say of them no more than their id, which by then is nobody's. Those that
    are not `gone_when` (a condition) yet are left for later: something else has to let them go first. `hidden` columns
    are not given out; of a table that is not `given_out`, nothing is: those rows are others', and say of this person
    what they were told.
    """

    name: str
    whose: str = OWN
    becomes: str | None = None
    gone_when: str = "true"
    hidden: tuple[str, ...] = ()
    given_out: bool = True


@dataclass(frozen=True, slots=True)
class PersonalData:
    """A service's tables, in the order in which they are erased: what refers to a row goes before it.

    `impersonal` are the others, each with the reason why it says nothing of anybody.
    """

    schema: str
    tables: Sequence[PersonalTable]
    impersonal: Mapping[str, str]

    async def export(self, database_url: str, subject: str) -> AsyncGenerator[bytes]:
        """Every row as a line of JSON: `{"table": …, "row": …}`, as they all stand at one moment."""
        async with await psycopg.AsyncConnection.connect(database_url) as connection:
            await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
            await connection.set_read_only(True)
            for table in (table for table in self.tables if table.given_out):
                async for line in self._lines(connection, table, subject):
                    yield line

    async def _lines(
        self, connection: psycopg.AsyncConnection[Any], table: PersonalTable, subject: str
    ) -> AsyncGenerator[bytes]:
        rows = f"{self.schema}.{table.name} AS row WHERE {table.whose}"
        wanted = f"SELECT to_jsonb(row) - %(hidden)s::text[] FROM {rows}"  # noqa: S608 -- our constants
        async with connection.cursor(name="personal_data") as cursor:
            cursor.itersize = _ROWS_AT_ONCE
            values = {"subject": subject, "hidden": list(table.hidden)}
            await cursor.execute(_trusted(wanted), values)
            async for (row,) in cursor:
                yield orjson.dumps({"table": table.name, "row": row}) + b"\n"

    async def erase(self, database_url: str, subject: str) -> int:
        """Erase it all, in one transaction; how many rows have to wait. It may be done again, as often as need be."""
        left = 0
        async with await psycopg.AsyncConnection.connect(database_url) as connection:
            await connection.execute(_ERASING)
            for table in self.tables:
                left += await self._erase(connection, table, {"subject": subject})
        return left

    async def _erase(
        self, connection: psycopg.AsyncConnection[Any], table: PersonalTable, values: Mapping[str, str]
    ) -> int:
        name, gone = f"{self.schema}.{table.name}", f"({table.whose}) AND ({table.gone_when})"
        if table.becomes == "":
            return 0
        if table.becomes is None:
            erasing = f"DELETE FROM {name} AS row WHERE {gone}"  # noqa: S608 -- our constants
        else:
            erasing = f"UPDATE {name} AS row SET {table.becomes} WHERE {gone}"  # noqa: S608 -- our constants
        await connection.execute(_trusted(erasing), values)
        if table.gone_when == "true":
            return 0
        still = f"{name} AS row WHERE ({table.whose}) AND NOT ({table.gone_when})"
        waiting = f"SELECT count(*) FROM {still}"  # noqa: S608 -- our constants
        cursor = await connection.execute(_trusted(waiting), values)
        row = await cursor.fetchone()
        return int(row[0]) if row is not None else 0


def _trusted(statement: str) -> sql.SQL:
    """A statement of a declaration of ours."""
    return sql.SQL(statement)  # pyright: ignore[reportArgumentType] -- put together of constants
