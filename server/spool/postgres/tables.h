/* tables.h - whether the tables are as the statements need them. */
#ifndef MXHOOK_SPOOL_PG_TABLES_H
#define MXHOOK_SPOOL_PG_TABLES_H

#include "pg.h"

/* Of the schema that schema_check() has accepted: is each column there, of its type, each table's key, and may this role
 * do what a node does? So that a node does not start to find out later, one message after the other. 0; -EINVAL: `err`
 * names the first that is not; or as pg_end(). */
int tables_check(struct pg *pg, struct error *err);

#endif
