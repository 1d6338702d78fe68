#include "verdict.h"

#include <stdlib.h>

void verdict_free(struct verdict *verdict)
{
    if (!verdict)
        return;
    header_list_free(&verdict->headers);
    arena_free(verdict->arena);
    free(verdict);
}
