/*
 * reload.h - SIGHUP: the next configuration and rules, loaded beside the running ones.
 *
 * Loading runs the user's files, so it happens on a thread of libuv's pool. All or nothing: where
 * anything fails the old ones stay, and the log says file and line.
 */
#ifndef MXHOOK_RELOAD_H
#define MXHOOK_RELOAD_H

#include <uv.h>

#include "config/config.h"
#include "rules/ruleset.h"

struct reload;

/* What was loaded: references, handed over. On the loop's thread. */
typedef void (*reload_done)(void *context, struct config *config, struct ruleset *rules);

/* What came of the last of the requests that were made so far, in words for a person: what was loaded, or what is
 * wrong, a line each. On the loop's thread, after reload_done. */
typedef void (*reload_told)(void *context, bool fine, const char *text);

/* What works, but hardly as it was meant: what `mxhook check` warns of in limits and rules, a line of the log each, up
 * to a number. Any thread. */
void reload_log_warnings(const struct config *config, const struct ruleset *rules);

int reload_new(uv_loop_t *loop, reload_done done, reload_told told, void *context,
               struct reload **out); /* 0 or -ENOMEM */
/* Loads `current`'s file again. A request while one is loading makes it load once more afterwards. A
 * change that needs a restart (of listen, admin.listen, user, dns, where the spool is, confine, rules.workers)
 * is logged, and has no effect. So is how the rules differ from `rules`, those that run, which has. Takes
 * references of its own. Loop thread. */
void reload_request(struct reload *reload, struct config *current, struct ruleset *rules);
/* A load that is under way ends unheard. Frees, when that is so. Loop thread; takes NULL. */
void reload_free(struct reload *reload);

#endif
