#include "result.h"

#include <string.h>

const char *auth_code_name(enum auth_code code)
{
    static const char *const names[] = {
        [AUTH_NONE] = "none",           [AUTH_PASS] = "pass",          [AUTH_FAIL] = "fail",
        [AUTH_SOFTFAIL] = "softfail",   [AUTH_NEUTRAL] = "neutral",    [AUTH_POLICY] = "policy",
        [AUTH_TEMPERROR] = "temperror", [AUTH_PERMERROR] = "permerror"};
    return names[code];
}

bool auth_code_parse(const char *name, enum auth_code *code)
{
    for (*code = AUTH_NONE; *code <= AUTH_PERMERROR; (*code)++)
        if (strcmp(name, auth_code_name(*code)) == 0)
            return true;
    return false;
}

struct auth_result *auth_result_new(void)
{
    struct arena *arena = arena_new();
    struct auth_result *result = arena ? arena_alloc(arena, sizeof *result) : NULL;
    if (!result) {
        arena_free(arena);
        return NULL;
    }
    *result = (struct auth_result){.arena = arena, .spf.domain = "", .dmarc.domain = ""};
    return result;
}

void auth_result_free(struct auth_result *result)
{
    if (result)
        arena_free(result->arena);
}
