"""PostgreSQL: engines, pools, ids, keyset pages, migrations. Each service has one schema and one role (DESIGN §3)."""

from kgents_shared.db.engine import Database, HotPool, open_pool, sqlalchemy_url
from kgents_shared.db.ids import new_id
from kgents_shared.db.metadata import schema_metadata
from kgents_shared.db.pages import Cursor, Page, PageQuery, PageRequest, foreign_cursor, id_in, make_page

__all__ = [
    "Cursor",
    "Database",
    "HotPool",
    "Page",
    "PageQuery",
    "PageRequest",
    "foreign_cursor",
    "id_in",
    "make_page",
    "new_id",
    "open_pool",
    "schema_metadata",
    "sqlalchemy_url",
]
