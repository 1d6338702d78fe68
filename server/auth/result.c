#include "result.h"

const char *auth_code_name(enum auth_code code)
{
    static const char *const names[] = {
        [AUTH_NONE] = "none",           [AUTH_PASS] = "pass",          [AUTH_FAIL] = "fail",
        [AUTH_SOFTFAIL] = "softfail",   [AUTH_NEUTRAL] = "neutral",    [AUTH_POLICY] = "policy",
        [AUTH_TEMPERROR] = "temperror", [AUTH_PERMERROR] = "permerror"};
    return names[code];
}

void auth_result_free(struct auth_result *result)
{
    if (result)
        arena_free(result->arena);
}
