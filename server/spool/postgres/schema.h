/* schema.h - the tables in PostgreSQL. */
#ifndef MXHOOK_SPOOL_PG_SCHEMA_H
#define MXHOOK_SPOOL_PG_SCHEMA_H

#include "pg.h"

/* What a node says of itself in its row, and what meta.oldest is compared with: counts up with each
 * release that another one must know of. */
#define PROGRAM 1

/* Checks that the database has this program's tables. 0; -ENOENT: it has none; -EPROTONOSUPPORT:
 * older ones, or ones that this program is too old for; else as pg_end(). `err` says it. */
int schema_check(struct pg *pg, struct error *err);

/* Makes the tables, or brings them up to this version; nothing where they are. Programs that do
 * this at once wait for each other. Running nodes are not disturbed: columns and tables are only
 * added, and a lock that does not come within 2 s is asked for again. */
int schema_migrate(struct pg *pg, struct error *err);

#endif
