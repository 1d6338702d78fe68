#include "result.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TESTS_MAX 4096 /* bytes of symbols' names in X-Spam-Status */

struct scan_result *scan_result_new(void)
{
    struct arena *arena = arena_new();
    struct scan_result *result = arena ? arena_alloc(arena, sizeof *result) : NULL;
    if (!result) {
        arena_free(arena);
        return NULL;
    }
    *result = (struct scan_result){.arena = arena, .action = "no action"};
    return result;
}

void scan_result_free(struct scan_result *result)
{
    if (!result || !result->arena)
        return;
    header_list_free(&result->fields);
    arena_free(result->arena);
}

struct scan_result *scan_result_failed(void)
{
    static struct scan_result failed = {.error = "out of memory", .action = "no action"};
    return &failed;
}

static int add(struct scan_result *result, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int add(struct scan_result *result, const char *name, const char *format, ...)
{
    char value[TESTS_MAX + 512];
    va_list args;
    va_start(args, format);
    vsnprintf(value, sizeof value, format, args);
    va_end(args);
    const char *copy = arena_strdup(result->arena, value);
    return copy ? header_list_append(&result->fields, name, copy, strlen(copy)) : -ENOMEM;
}

/* Whole names only. */
static void list_tests(const struct scan_result *result, char out[TESTS_MAX])
{
    size_t used = 0;
    *out = 0;
    for (size_t i = 0; i < result->symbol_count; i++) {
        const char *name = result->symbols[i].name;
        if (used + strlen(name) + 2 > TESTS_MAX)
            return;
        used += (size_t)snprintf(out + used, TESTS_MAX - used, "%s%s", used ? "," : "", name);
    }
}

int scan_result_write_fields(struct scan_result *r)
{
    char tests[TESTS_MAX];
    if (r->error)
        return 0;
    list_tests(r, tests);
    int code = add(r, "X-Spam-Status", "%s, score=%.2f required=%.2f action=\"%s\" tests=[%s]",
                   r->spam ? "Yes" : "No", r->score, r->required, r->action, tests);
    if (code == 0)
        code = add(r, "X-Spam-Score", "%.2f", r->score);
    if (code == 0)
        code = add(r, "X-Spam-Action", "%s", r->action);
    if (code == 0 && r->virus)
        code = add(r, "X-Virus", "%s", r->virus);
    return code;
}
