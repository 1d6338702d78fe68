#include "verdict.h"

#include <stdlib.h>

const char *verdict_name(enum verdict_kind kind)
{
    static const char *const names[] = {[VERDICT_NO_MATCH] = "no_match",
                                        [VERDICT_DELIVER] = "deliver",
                                        [VERDICT_DISCARD] = "discard",
                                        [VERDICT_REJECT] = "reject",
                                        [VERDICT_DEFER] = "defer"};
    return names[kind];
}

struct verdict *verdict_to(const char *destination, const char *rule)
{
    struct verdict *verdict = calloc(1, sizeof *verdict);
    if (verdict && (verdict->arena = arena_new())) {
        struct destination *to = arena_alloc(verdict->arena, sizeof *to);
        const char *copy = arena_strdup(verdict->arena, destination);
        verdict->rule = arena_strdup(verdict->arena, rule);
        if (to && copy && verdict->rule) {
            *to = (struct destination){.url = copy};
            verdict->kind = VERDICT_DELIVER;
            verdict->text = "";
            verdict->destinations = to;
            verdict->destination_count = 1;
            return verdict;
        }
    }
    verdict_free(verdict);
    return NULL;
}

void verdict_free(struct verdict *verdict)
{
    if (!verdict)
        return;
    header_list_free(&verdict->headers);
    arena_free(verdict->arena);
    free(verdict);
}
