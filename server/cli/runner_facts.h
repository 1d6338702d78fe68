/*
 * runner_facts.h - for runner.c: what a test says that was found of a message's sender, and by the scanner.
 *
 * lua/mxhook/test/auth.lua and scan.lua have checked and completed the tables: a field is a string, or nil where the
 * struct has NULL. Strings are the table's, which must stay where it is as long as what is returned.
 */
#ifndef MXHOOK_CLI_RUNNER_FACTS_H
#define MXHOOK_CLI_RUNNER_FACTS_H

#include <lua.h>

#include "../auth/result.h"
#include "../lookup/questions.h"
#include "../scan/result.h"

/* The table on top. NULL: no memory. The caller frees. */
struct auth_result *runner_read_auth(lua_State *L);
struct scan_result *runner_read_scan(lua_State *L); /* the same */

/* What alias.http and alias.postgres are answered: the field `answers` of the table at `index`, as test/lookups.lua has
 * made it. Nobody else is asked then. 0 or -ENOMEM; the caller frees in any case. */
int runner_read_answers(lua_State *L, int index, struct questions *answers);

#endif
