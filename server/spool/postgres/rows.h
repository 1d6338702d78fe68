/* rows.h - rows of `delivery` as deliveries, and what they carry. The spool's thread, or `mxhook
 * queue`'s. */
#ifndef MXHOOK_SPOOL_PG_ROWS_H
#define MXHOOK_SPOOL_PG_ROWS_H

#include "../columns.h"
#include "../store.h"
#include "pg.h"
#include "postgres.h"

/* As rows_read() takes them: of the table d, and now from the database. */
#define ROW_COLUMNS                                                                                \
    "d.row, d.payload, d.origin, d.lane, " FROM_NOW("d.due") ", " FROM_NOW(                        \
        "d.created") ", d.owner, "                                                                 \
                     "d.attempts, d.last_status, d.id, d.sender, d.recipient, d.last_error, "      \
                     "d.mail_from, d.via, "                                                        \
                     "d.about, " DESTINATION_COLUMNS("d.")
#define ROW_DESTINATION 16 /* the first of them */

/* Without its payload. NULL: no memory. */
struct delivery *rows_read(const PGresult *result, int row);

/* Reads the payloads of these, which are linked by next: neighbours may share one. One whose payload
 * cannot be had stays without, and *reason says why of the last. 0 or as pg_end(). */
int rows_load_payloads(struct pg *pg, struct delivery *deliveries, const char *scratch,
                       const char **reason);

#endif
