/*
 * group.h - the statements of a group, in one batch. Done twice, they do no harm. The spool's thread.
 */
#ifndef MXHOOK_SPOOL_PG_GROUP_H
#define MXHOOK_SPOOL_PG_GROUP_H

#include "postgres.h"

/* Gives numbers to the commits' deliveries, and to the notices of ends, that have none yet. 0 or as
 * pg_end(). */
int group_number(struct pg_store *s, struct commit *commits, struct delivery *ends);
/* The same for a list of deliveries, with numbers of one's own, by a connection of one's own. */
int number_deliveries(struct pg *pg, int node, struct numbers *numbers,
                      struct delivery *deliveries);
/* Sends what stands in files and has not gone up before (upload.h), so that the group can name it. 0 or as pg_end(). */
int group_upload(struct pg *pg, int node, struct commit *commits);
/* Adds to the batch something whose commit must be waited for. 0 or -ENOMEM. */
int group_add_mark(struct pg *pg, int node);
/* Sends the group and waits for its end. As pg_end(). */
int group_send(struct pg_store *s, struct commit *commits, struct delivery *ends);

#endif
