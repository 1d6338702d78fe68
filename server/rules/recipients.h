/*
 * recipients.h - which recipients a ruleset's aliases name, for RCPT: a table in C, in which the
 * loop may look, since what that costs depends on nothing that a rule's author wrote.
 *
 * exact        an address, also with a "+tag"
 * domain       "*@host": every address there
 * patterns     what only a Lua state can answer: regular expressions, other wildcards, databases
 *
 * Filled while the first state is loaded; then it never changes, and any thread may read it.
 */
#ifndef MXHOOK_RULES_RECIPIENTS_H
#define MXHOOK_RULES_RECIPIENTS_H

#include <lua.h>
#include <stdbool.h>

#include "../base/arena.h"
#include "../base/map.h"
#include "alias_table.h"

struct recipients {
    struct map names; /* of what stands in a rule file: addresses in lower case, and "*@host" */
    struct arena *arena;
    const struct alias_table **files;
    size_t file_count;
    bool patterns; /* there are some, so a recipient that is not found is to be asked for */
};

int recipients_init(struct recipients *recipients);  /* 0 or -ENOMEM */
void recipients_free(struct recipients *recipients); /* what it holds, not the struct */

/* Adds what an alias names: the table at the top of the stack, {exact = {address = ...}, domains =
 * {"*@host", ...}, file = an alias.file, patterns = boolean}, each of which may be missing. 0 or
 * -ENOMEM. */
int recipients_add(struct recipients *recipients, lua_State *L);

/* Is it named by an exact alias, a domain's, or a file's? In any case of letters. */
bool recipients_has(const struct recipients *recipients, const char *address);

#endif
