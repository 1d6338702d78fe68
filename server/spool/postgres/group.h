/*
 * group.h - the statements of a group, in one batch. Done twice, they do no harm. The spool's thread.
 */
#ifndef MXHOOK_SPOOL_PG_GROUP_H
#define MXHOOK_SPOOL_PG_GROUP_H

#include "postgres.h"

/* Sends the group and waits for its end. As pg_end(). */
int group_send(struct pg_store *s, struct commit *commits, struct delivery *ends);

#endif
