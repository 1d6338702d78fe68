/* secret.h - secrets that all nodes must have alike. */
#ifndef MXHOOK_SPOOL_PG_SECRET_H
#define MXHOOK_SPOOL_PG_SECRET_H

#include "pg.h"

/* Writes the cluster's secret of that name to directory/name (mode 0600), where others read it as
 * they would without a cluster. The first node makes it: of what its own file holds, or at random
 * (64 hexadecimal digits). 0, or a negative errno: `err` says it. */
int secret_share(struct pg *pg, const char *name, const char *directory, struct error *err);

#endif
