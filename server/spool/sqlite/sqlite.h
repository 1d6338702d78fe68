/* sqlite.h - the store in a folder, as its files share it: sqlite.c and apply.c for a server, visit.c
 * for `mxhook queue`, holding.c and pausing.c for both. */
#ifndef MXHOOK_SPOOL_SQLITE_H
#define MXHOOK_SPOOL_SQLITE_H

#include "../store.h"
#include "db.h"
#include "../leases.h"
#include "setback.h"
#include "upkeep.h"

struct sqlite_store {
    struct store store;
    struct db *db;
    /* Of a server only: */
    int lock;
    struct leases leases;
    int64_t version; /* of the database, to see other processes' changes */
    struct upkeep upkeep;
    struct setback setback;
    bool in_trouble; /* the last transaction failed: said once */
};

/* The functions of store_ops of these names, as store.h says. */
void sqlite_apply(struct store *store, struct store_work *work);
int sqlite_show(struct store *store, const char *id, struct delivery **out, const char **reason);
int sqlite_change(struct store *store, enum store_change what, const char *id);
int64_t sqlite_change_all(struct store *store, enum store_change what,
                          const struct queue_filter *filter);
int64_t sqlite_edit(struct store *store, const struct store_edit *edit, const char *id,
                    const struct queue_filter *filter);
int sqlite_holds(struct store *store, int (*each)(void *context, const struct queue_hold *hold),
                 void *context);
int sqlite_probe(struct store *store, uint64_t origin, uint64_t lane);
void sqlite_probes(struct store *store, void (*each)(void *context, uint64_t origin, uint64_t lane),
                   void *context);
int sqlite_pauses(struct store *store, bool counted, struct pauses *pauses);
int sqlite_pause(struct store *store, const struct pause *pause);
int sqlite_resume(struct store *store, uint64_t origin, uint64_t lane);
void sqlite_heed(struct store *store, const struct pauses *pauses);

#endif
