#include "result.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
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

/* ---- Texts put together without printf, which would be a tenth of what a scan costs ---- */

static char *put(char *at, const char *text)
{
    size_t size = strlen(text);
    memcpy(at, text, size);
    return at + size;
}

char *scan_score_write(double score, char out[SCAN_SCORE_SIZE])
{
    char reversed[SCAN_SCORE_SIZE];
    if (!(fabs(score) < 1e13)) { /* more hundredths than a double counts */
        snprintf(out, SCAN_SCORE_SIZE, "%.3g", score);
        return out;
    }
    long long hundredths = llround(score * 100);
    unsigned long long rest = (unsigned long long)llabs(hundredths);
    size_t count = 0, used = 0;
    for (; rest > 0 || count < 4; rest /= 10) {
        if (count == 2)
            reversed[count++] = '.';
        reversed[count++] = (char)('0' + rest % 10);
    }
    if (hundredths < 0)
        out[used++] = '-';
    while (count > 0)
        out[used++] = reversed[--count];
    out[used] = 0;
    return out;
}

/* Whole names only. With spaces, where a line may be folded. */
static char *put_tests(char *at, const struct scan_result *result)
{
    const char *begin = at;
    for (size_t i = 0; i < result->symbol_count; i++) {
        const char *name = result->symbols[i].name;
        if ((size_t)(at - begin) + strlen(name) + 3 > TESTS_MAX)
            break;
        at = put(put(at, at > begin ? ", " : ""), name);
    }
    return at;
}

static char *put_status(char *at, const struct scan_result *r)
{
    char score[SCAN_SCORE_SIZE];
    at = put(put(at, r->spam ? "Yes" : "No"), ", score=");
    at = put(put(at, scan_score_write(r->score, score)), " required=");
    at = put(put(at, scan_score_write(r->required, score)), " action=\"");
    at = put(put(at, r->action), "\" tests=[");
    return put(put_tests(at, r), "]");
}

static int add(struct scan_result *result, const char *name, const char *value, size_t size)
{
    const char *copy = arena_strndup(result->arena, value, size);
    return copy ? header_list_append(&result->fields, name, copy, size) : -ENOMEM;
}

int scan_result_write_fields(struct scan_result *r)
{
    char status[TESTS_MAX + SCAN_ACTION_MAX + 256], score[SCAN_SCORE_SIZE];
    if (r->error)
        return 0;
    scan_score_write(r->score, score);
    int code = add(r, "X-Spam-Status", status, (size_t)(put_status(status, r) - status));
    if (code == 0)
        code = add(r, "X-Spam-Score", score, strlen(score));
    if (code == 0)
        code = add(r, "X-Spam-Action", r->action, strlen(r->action));
    if (code == 0 && r->virus)
        code = add(r, "X-Virus", r->virus, strlen(r->virus));
    return code;
}
