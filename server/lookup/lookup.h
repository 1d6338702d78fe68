/*
 * lookup.h - asks others where mail for an address goes, while rules run.
 *
 * source       whom rules may ask, by a name of the configuration: an application by HTTP
 *              (`lookups`), a table of PostgreSQL (`databases`)
 * flight       one address that a source is being asked for; all who want to know it share it
 *
 * A room with one thread of its own for every wait; how each kind is asked stands in sources/: HTTP is done on that
 * thread, and each database's connection is owned by a further one. Who asks waits at most the source's `wait` (50
 * ms) for the next answer, and then has the last known ones for `stale`, or none (LOOKUP_UNKNOWN: mail is deferred);
 * the flights go on, so that the next one finds their answers in the cache. One room in a process, as there is one
 * history.
 *
 * To add a kind of source: sources/sources.h.
 */
#ifndef MXHOOK_LOOKUP_LOOKUP_H
#define MXHOOK_LOOKUP_LOOKUP_H

#include "../base/error.h"
#include "questions.h"

struct source_kind;

/* At start and at each reload: the sources of this configuration. The first one starts the thread. One that is
 * configured as it was keeps its cache. `kinds`: by enum lookup_kind, how each is asked (source.h); for the life of
 * the process. Takes effect for all that is asked afterwards. One thread calls this and lookup_stop(). 0, or a
 * negative errno with `err`: then all is as it was. */
int lookup_configure(const struct config *config, const struct source_kind *const *kinds,
                     struct error *err);
/* Nobody may be waiting. Joins. Does nothing where there is no thread. */
void lookup_stop(void);

/* A fresh answer of the source's cache, or that the source is known not to have it; a reference; NULL: there is none.
 * Any thread. */
struct lookup_answer *lookup_cached(enum lookup_kind kind, const char *source, const char *address);

/* Asks all that have no answer yet; done() comes once, on the room's thread, when each has one. The
 * questions are the room's until then. 0, or -ENOMEM and no done(). Any thread. */
int lookup_ask(struct questions *questions, void (*done)(void *context), void *context);

/* The same for who may wait: returns when each has an answer. 0 or -ENOMEM. */
int lookup_wait(struct questions *questions);

#endif
