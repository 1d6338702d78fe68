#include "questions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lookup.h"

static bool is_of(const struct question *q, enum lookup_kind kind, const char *source)
{
    return q->kind == kind && strcmp(q->source, source) == 0;
}

/* `address` NULL: what was given for all. */
static struct question *find(const struct questions *questions, enum lookup_kind kind,
                             const char *source, const char *address)
{
    for (size_t i = 0; i < questions->count; i++) {
        struct question *q = &questions->items[i];
        if (!address != !q->address || !is_of(q, kind, source))
            continue;
        if (!address || strcmp(q->address, address) == 0)
            return q;
    }
    return NULL;
}

static int add(struct questions *questions, enum lookup_kind kind, const char *source,
               const char *address, struct lookup_answer *answer)
{
    if (questions->count == QUESTIONS_MAX)
        return -E2BIG;
    if (questions->count == questions->capacity) {
        size_t capacity = questions->capacity ? 2 * questions->capacity : 4;
        struct question *items = realloc(questions->items, capacity * sizeof *items);
        if (!items)
            return -ENOMEM;
        questions->items = items;
        questions->capacity = capacity;
    }
    struct question q = {kind, strdup(source), address ? strdup(address) : NULL, NULL};
    if (!q.source || (address && !q.address)) {
        free(q.source);
        free(q.address);
        return -ENOMEM;
    }
    q.answer = answer ? lookup_answer_ref(answer) : NULL;
    questions->items[questions->count++] = q;
    return 0;
}

static int get_given(const struct questions *questions, enum lookup_kind kind, const char *source,
                     const char *address, const struct lookup_answer **out)
{
    const struct question *q = find(questions, kind, source, address);
    if (!q)
        q = find(questions, kind, source, NULL);
    if (!q)
        return -ENOENT;
    *out = q->answer;
    return 0;
}

int questions_get(struct questions *questions, enum lookup_kind kind, const char *source,
                  const char *address, const struct lookup_answer **out)
{
    if (questions->given)
        return get_given(questions, kind, source, address, out);
    struct question *q = find(questions, kind, source, address);
    if (q && q->answer) {
        *out = q->answer;
        return 0;
    }
    if (q)
        return -EAGAIN;
    struct lookup_answer *cached = lookup_cached(kind, source, address);
    int code = add(questions, kind, source, address, cached);
    lookup_answer_unref(cached);
    if (code != 0)
        return code;
    *out = cached; /* the question has a reference */
    return cached ? 0 : -EAGAIN;
}

int questions_give(struct questions *questions, enum lookup_kind kind, const char *source,
                   const char *address, struct lookup_answer *answer)
{
    questions->given = true;
    return add(questions, kind, source, address, answer);
}

size_t questions_open(const struct questions *questions, size_t since)
{
    size_t open = 0;
    for (size_t i = since; i < questions->count; i++)
        open += !questions->items[i].answer;
    return open;
}

void questions_free(struct questions *questions)
{
    for (size_t i = 0; i < questions->count; i++) {
        free(questions->items[i].source);
        free(questions->items[i].address);
        lookup_answer_unref(questions->items[i].answer);
    }
    free(questions->items);
    *questions = (struct questions){0};
}
