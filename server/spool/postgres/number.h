/* number.h - which row each delivery of a group will have, and each payload (number.c says how). */
#ifndef MXHOOK_SPOOL_PG_NUMBER_H
#define MXHOOK_SPOOL_PG_NUMBER_H

#include "postgres.h"

/* Gives numbers to the commits' deliveries, and to the notices of ends, that have none yet. The spool's thread. 0 or as
 * pg_end(). */
int number_group(struct pg_store *s, struct commit *commits, struct delivery *ends);
/* The same for a list of deliveries, with numbers of one's own, by a connection of one's own. */
int number_deliveries(struct pg *pg, int node, struct numbers *numbers,
                      struct delivery *deliveries);
/* Adds to the batch something whose commit must be waited for. Whoever has the connection. 0 or -ENOMEM. */
int number_add_mark(struct pg *pg, int node);

#endif
