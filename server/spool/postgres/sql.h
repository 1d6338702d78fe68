/* sql.h - pieces of SQL that statements of several files have. */
#ifndef MXHOOK_SPOOL_PG_SQL_H
#define MXHOOK_SPOOL_PG_SQL_H

/* The database's time: Unix, in ms. */
#define NOW_MS "(extract(epoch FROM clock_timestamp()) * 1000)::int8"

/* Removes chunks that nobody will name any more, but for those that somebody did all the same: of a
 * group that was stored, and had sent them again. */
#define STAGED_SWEEP(whose)                                                                        \
    "WITH gone AS (DELETE FROM staged WHERE " whose " RETURNING blob) "                            \
    "DELETE FROM chunk c WHERE blob IN (SELECT blob FROM gone) "                                   \
    "AND NOT EXISTS (SELECT 1 FROM payload p WHERE p.row = c.blob) "                               \
    "AND NOT EXISTS (SELECT 1 FROM tail t WHERE t.row = -c.blob)"

#endif
