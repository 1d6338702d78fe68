/* sql.h - pieces of SQL that statements of several files have. */
#ifndef MXHOOK_SPOOL_PG_SQL_H
#define MXHOOK_SPOOL_PG_SQL_H

/* The database's time: Unix, in ms. */
#define NOW_MS "(extract(epoch FROM clock_timestamp()) * 1000)::int8"

#endif
