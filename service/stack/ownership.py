"""Transfers a database from the superuser to the role of the service.

In earlier versions, the service used the superuser. PostgreSQL's ``REASSIGN OWNED`` does not work
for that role, because it also owns system objects.
"""

import psycopg
from psycopg.sql import SQL, Identifier

_STATEMENTS = """\
WITH objects AS (
    SELECT oid, 'pg_class'::regclass AS catalog, relnamespace AS schema, relowner AS owner,
           'TABLE ' || oid::regclass AS name
      FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'S')
    UNION ALL
    SELECT oid, 'pg_proc'::regclass, pronamespace, proowner,
           'ROUTINE ' || oid::regprocedure
      FROM pg_proc
    UNION ALL
    SELECT oid, 'pg_type'::regclass, typnamespace, typowner, 'TYPE ' || oid::regtype
      FROM pg_type WHERE typtype IN ('d', 'e', 'r')
)
SELECT 'ALTER ' || name || ' OWNER TO ' || quote_ident(%(role)s)
  FROM objects
 WHERE pg_get_userbyid(owner) = current_user
   AND schema::regnamespace::text NOT LIKE 'pg\\_%%'
   AND schema::regnamespace::text <> 'information_schema'
   -- Objects of a column or an extension change their owner with it.
   AND NOT EXISTS (SELECT FROM pg_depend
                    WHERE classid = catalog AND objid = objects.oid AND deptype IN ('a', 'i', 'e'))
"""


def transfer_ownership(superuser_url: str, role: str) -> None:
    """Make `role` the owner of a database and of everything in it, in one transaction."""
    with psycopg.connect(superuser_url) as connection:
        for (statement,) in connection.execute(_STATEMENTS, {"role": role}).fetchall():
            connection.execute(statement)
        alter = SQL("ALTER DATABASE {} OWNER TO {}")
        names = (Identifier(connection.info.dbname), Identifier(role))
        connection.execute(alter.format(*names))
