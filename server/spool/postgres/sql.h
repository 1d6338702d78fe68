/* sql.h - pieces of SQL that statements of several files have. */
#ifndef MXHOOK_SPOOL_PG_SQL_H
#define MXHOOK_SPOOL_PG_SQL_H

/* The database's time: Unix, in ms. */
#define NOW_MS "(extract(epoch FROM clock_timestamp()) * 1000)::int8"

/* How long until a time in a table; a table that was tampered with may hold any: up to the year 9999, so that one row
 * does not make a statement for many fail. */
#define FROM_NOW(time)                                                                             \
    "(CASE WHEN " time " < 0 THEN 0 WHEN " time                                                    \
    " > 253402300799999 THEN 253402300799999 ELSE " time " END - " NOW_MS ")"

/* True. A role or database whose commits are asynchronous has them so for all but what is answered 250; and the warning that
 * one is not replicated yet must come, whatever messages it wants. */
#define DURABLE                                                                                    \
    "CASE current_setting('synchronous_commit') WHEN 'off' "                                       \
    "THEN set_config('synchronous_commit', 'on', true) ELSE 'on' END <> '' "                       \
    "AND set_config('client_min_messages', 'warning', true) <> ''"

#endif
