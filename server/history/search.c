#include "search.h"

#include <errno.h>
#include <stdlib.h>

#include "../base/clock.h"
#include "join.h"

#define TIME_LIMIT_MS 3000
#define LIMIT_MAX     1000

struct segment_search *search_new(const struct search_source *source,
                                  const struct history_filter *filter,
                                  int (*each)(void *context, const struct history_message *message),
                                  void *context, int *code)
{
    struct segment_search *s = calloc(1, sizeof *s);
    *code = -ENOMEM;
    if (!s)
        return NULL;
    s->source = *source;
    s->each = each;
    s->context = context;
    s->before = filter->before > 0 ? filter->before : INT64_MAX;
    s->left = filter->limit > 0 ? filter->limit : LIMIT_MAX;
    s->deadline_ms = clock_monotonic_ms() + TIME_LIMIT_MS;
    *code = filter_begin(&s->filter, filter);
    if (*code == 0)
        return s;
    search_free(s);
    return NULL;
}

void search_free(struct segment_search *s)
{
    if (!s)
        return;
    filter_free(&s->filter);
    free(s);
}

const char *search_error(int code)
{
    switch (code) {
    case -ETIME: return "the search took too long; more of a filter would help";
    case -EBADMSG: return "a part of the history is damaged";
    default: return NULL;
    }
}

/* ---- A message ---- */

struct later { /* of a delivery: what is kept beside its segment */
    struct arena *arena;
    struct history_delivery *delivery;
};

static const char *keep(struct arena *arena, const char *text)
{
    return text ? arena_strdup(arena, text) : NULL;
}

static int apply(void *context, const struct history_attempt *a, int64_t body)
{
    struct later *later = context;
    struct history_delivery *d = later->delivery;
    struct history_attempt kept = *a;
    kept.error = keep(later->arena, a->error);
    history_follow(d, &kept);
    if (body) {
        d->body = body;
        d->target = keep(later->arena, a->target);
    }
    return 0;
}

static int read_message(struct segment_search *s, const struct packed *terms,
                        const struct packed *records, const struct search_match *match,
                        struct history_message *m)
{
    int code = segment_read(terms, &match->terms, records, m);
    for (size_t i = 0; i < m->delivery_count && code == 0; i++) {
        struct later later = {m->arena, &m->deliveries[i]};
        if (m->deliveries[i].later)
            code = s->source.each_late(s->source.store, m->row, m->deliveries[i].number, apply,
                                       &later);
    }
    return code;
}

static int give(struct segment_search *s, const struct packed *terms, const struct packed *records,
                const struct search_match *match)
{
    struct history_message m = {.arena = arena_new(), .row = match->row};
    if (!m.arena)
        return -ENOMEM;
    int code = read_message(s, terms, records, match, &m);
    if (code == 0 && filter_matches(&s->filter, &m)) {
        code = s->each(s->context, &m);
        s->left--;
    }
    arena_free(m.arena);
    return code;
}

/* ---- A segment ---- */

static int find_matches(struct segment_search *s, int64_t row, const struct packed *blob)
{
    struct message_terms terms;
    size_t at = 0;
    int code = 0;
    s->match_count = 0;
    for (unsigned i = 0; row + i < s->before; i++) {
        code = terms_next(blob, &at, &terms);
        if (code != 0)
            break;
        if (i >= SEGMENT_MESSAGES)
            return -EBADMSG;
        if ((!s->filter.subject || s->in_subjects[i]) && filter_may_match(&s->filter, blob, &terms))
            s->matches[s->match_count++] = (struct search_match){terms, row + i};
    }
    return code == -ENOENT ? 0 : code;
}

/* 1: no subject of it matches. */
static int skip_by_subjects(struct segment_search *s, int64_t row)
{
    const struct packed *subjects;
    int code = s->source.subjects(s->source.store, row, &subjects);
    if (code != 0)
        return code == -ENOENT ? 1 : code;
    return filter_subjects(&s->filter, subjects, s->in_subjects, SEGMENT_MESSAGES) == 0;
}

bool search_is_late(const struct segment_search *s)
{
    return clock_monotonic_ms() > s->deadline_ms;
}

int search_segment(struct segment_search *s, int64_t row)
{
    const struct packed *terms, *records = NULL;
    int code = s->filter.subject ? skip_by_subjects(s, row) : 0;
    if (code != 0)
        return code == 1 ? 0 : code;
    code = s->source.terms(s->source.store, row, &terms);
    if (code == 0)
        code = find_matches(s, row, terms);
    if (code == 0 && s->match_count > 0)
        code = s->source.records(s->source.store, row, &records);
    if (code == -ENOENT)
        return -EBADMSG;
    for (size_t i = s->match_count; i-- > 0 && code == 0 && s->left > 0;)
        code = give(s, terms, records, &s->matches[i]);
    return code == 0 && s->left > 0 && search_is_late(s) ? -ETIME : code;
}

/* ---- The attempts of a delivery ---- */

struct giving {
    const struct history_message *message;
    unsigned delivery;
    int (*each)(void *context, const struct history_attempt *attempt);
    void *context;
};

static int give_attempt(void *context, const struct history_attempt *attempt, int64_t body)
{
    const struct giving *giving = context;
    struct history_attempt a = *attempt;
    (void)body;
    id_child(a.id, giving->message->id, giving->delivery);
    return giving->each(giving->context, &a);
}

/* Those that are in its record. */
static int give_made(const struct history_message *m, struct giving *giving)
{
    int code = 0;
    for (size_t i = 0; i < m->delivery_count; i++)
        if (m->deliveries[i].number == giving->delivery)
            for (const struct history_attempt *a = m->deliveries[i].made; a && code == 0;
                 a = a->later)
                code = give_attempt(giving, a, 0);
    return code;
}

/* Reads the message of a row, and has its attempts given. */
static int give_recorded(const struct search_source *source, int64_t segment, struct giving *giving)
{
    const struct packed *blob, *records;
    struct message_terms terms;
    size_t at = 0;
    int code = source->terms(source->store, segment, &blob);
    for (int64_t row = segment; code == 0 && row <= giving->message->row; row++)
        code = terms_next(blob, &at, &terms);
    if (code == 0)
        code = source->records(source->store, segment, &records);
    struct history_message m = {.arena = code == 0 ? arena_new() : NULL};
    if (code == 0 && !m.arena)
        code = -ENOMEM;
    if (code == 0)
        code = segment_read(blob, &terms, records, &m);
    if (code == 0)
        code = give_made(&m, giving);
    arena_free(m.arena);
    return code;
}

int search_attempts(const struct search_source *source, int64_t segment,
                    const struct history_message *message, unsigned delivery,
                    int (*each)(void *context, const struct history_attempt *attempt),
                    void *context)
{
    struct giving giving = {message, delivery, each, context};
    int code = give_recorded(source, segment, &giving);
    if (code == 0)
        code = source->each_late(source->store, message->row, delivery, give_attempt, &giving);
    return code == -ENOENT ? -EBADMSG : code;
}
