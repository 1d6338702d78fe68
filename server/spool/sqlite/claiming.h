/* claiming.h - what is due, leased and read. The spool's thread. */
#ifndef MXHOOK_SPOOL_CLAIMING_H
#define MXHOOK_SPOOL_CLAIMING_H

#include "../leases.h"
#include "db.h"

/* Fills in what the claim asks for. */
void claiming_run(struct db *db, struct leases *leases, struct claim *claim);

#endif
