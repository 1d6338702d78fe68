/*
 * engine.h - inside a ruleset: shared by ruleset.c, which loads, and run.c, which runs.
 */
#ifndef MXHOOK_RULES_ENGINE_H
#define MXHOOK_RULES_ENGINE_H

#include <stdatomic.h>

#include "alias_table.h"
#include "recipients.h"
#include "ruleset.h"
#include "state.h"

#define RULES_LOAD_TIME_MS 30000 /* of running every rule file once, for each state */

#define RULES_RENEWAL_SHARE 20 /* a state that is full is made anew for 1/20 of the time at most */

/* Where a loaded state keeps its rules: lists of equal length in the registry. */
#define ENGINE_RULES  "mxhook.rules"  /* functions of msg */
#define ENGINE_NAMES  "mxhook.names"  /* "10-alias.lua:3" */
#define ENGINE_SERVES "mxhook.serves" /* functions of a recipient, of aliases; false of others */

/* A file of rules.d as it was when the ruleset was loaded: a state can be made anew from it. */
struct source_file {
    char *name; /* "10-alias.lua", "lib/names.lua" */
    char *text;
    size_t size;
};

struct ruleset {
    atomic_uint references;
    struct arena *arena;         /* of what the next holds */
    struct rules_config config;  /* a copy */
    struct source_file *sources; /* in name order */
    size_t source_count;
    struct state **states;
    size_t state_count;
    size_t rule_count;
    char **names;       /* of the rules, "10-alias.lua:3" */
    char *warnings;     /* of loading, a line each; NULL: no memory for them */
    size_t alias_count; /* keys of all aliases */
    bool only_aliases;
    struct alias_tables aliases; /* shared by the states */
    struct recipients recipients;
};

/* sources.c: reads every file of rules.d, and frees them. 0, or a negative errno with `err`. */
int sources_read(struct ruleset *ruleset, struct error *err);
void sources_free(struct ruleset *ruleset);

/* Makes a state with the ruleset's rules. 0, or a negative errno with `err`. */
int engine_load_state(struct ruleset *ruleset, struct state **out, struct error *err);

#endif
