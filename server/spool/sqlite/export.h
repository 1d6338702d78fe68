/*
 * export.h - all that can still be read of a spool, as a new one: `mxhook queue export`.
 *
 * Of the store in a folder only. For a spool that is damaged, but a sound one is as welcome. The old one is only
 * read. Deliveries keep their ids, times and attempts; what is left over goes to the new folder's `found`: payloads
 * whose delivery cannot be read, and files that no delivery names.
 */
#ifndef MXHOOK_SPOOL_EXPORT_H
#define MXHOOK_SPOOL_EXPORT_H

#include "../spool.h"

struct export_report {
    int64_t waiting, failed;  /* deliveries that were saved */
    int64_t lost;             /* those that could be read, but not what they carry */
    int64_t gaps;             /* places where the table of deliveries cannot be read */
    int64_t payloads, files;  /* in found */
    char database_error[256]; /* the database cannot be read at all; "" */
    /* Called for each that is lost, and for each gap (`id` NULL), with the reason. */
    void (*lose)(void *context, const char *id, const char *recipient, const char *reason);
    void *context;
};

/* Makes the folder `to`, which must not be there. Blocking. 0 also where something was lost, as the
 * report says; a negative errno where `to` cannot be made or written. */
int spool_export(const struct spool_config *config, const char *to, struct export_report *report,
                 struct error *err);

#endif
