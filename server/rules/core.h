/*
 * core.h - what C gives to the modules of lua/mxhook/, and never to a rule.
 *
 * They `require "mxhook.core"`, and stand in a global environment with every standard library.
 * Rules are loaded by lua/mxhook/loader.lua into environments that lua/mxhook/sandbox.lua makes,
 * which hold what is safe.
 */
#ifndef MXHOOK_RULES_CORE_H
#define MXHOOK_RULES_CORE_H

#include <lua.h>

/* Opens the libraries, `require` of the embedded modules, and mxhook.core. Raises. */
void core_open(lua_State *L);

#endif
