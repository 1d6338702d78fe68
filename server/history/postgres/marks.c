/* What a segment has: for the database, which throws away those that cannot have what is looked for without sending them. */
#include "../json.h"
#include "../segment.h"
#include "store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_SIZE  4
#define MARK_SIZE 16 /* of a mark, with its NUL: the longest is ",delivered," */

/* ---- Keys ---- */

struct keys {
    uint32_t *list;
    size_t count, room;
};

static int add_key(struct keys *keys, uint32_t key)
{
    if (keys->count == keys->room) {
        size_t room = keys->room ? 2 * keys->room : 1024;
        uint32_t *more = realloc(keys->list, room * sizeof *more);
        if (!more)
            return -ENOMEM;
        keys->list = more;
        keys->room = room;
    }
    keys->list[keys->count++] = key;
    return 0;
}

static int add_keys_of(struct keys *keys, const struct packed *terms, const struct message_terms *m)
{
    struct delivery_term term;
    uint32_t first, second;
    int code = add_key(keys, m->sender);
    if (code == 0)
        code = add_key(keys, m->sender_domain);
    for (uint32_t i = 0; i < m->recipient_count && code == 0; i++) {
        terms_recipient(m, i, &first, &second);
        code = add_key(keys, first);
        if (code == 0)
            code = add_key(keys, second);
    }
    for (uint32_t i = 0; i < m->delivery_count && code == 0; i++) {
        terms_delivery(terms, m, i, &first, &second, &term);
        code = add_key(keys, first);
        if (code == 0)
            code = add_key(keys, second);
    }
    return code;
}

static void put_key(uint32_t key, char bytes[KEY_SIZE])
{
    for (int i = 0; i < KEY_SIZE; i++)
        bytes[i] = (char)(key >> 8 * i);
}

static int compare(const void *a, const void *b)
{
    uint32_t first = *(const uint32_t *)a, second = *(const uint32_t *)b;
    return (first > second) - (first < second);
}

static size_t without_repeats(uint32_t *list, size_t count)
{
    size_t kept = 0;
    if (count > 0)
        qsort(list, count, sizeof *list, compare);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || list[kept - 1] != list[i])
            list[kept++] = list[i];
    return kept;
}

int history_pg_keys(const struct packed *terms, struct packed *out)
{
    struct keys keys = {0};
    struct message_terms m;
    size_t at = 0;
    int code = 0;
    while (code == 0 && terms_next(terms, &at, &m) == 0)
        code = add_keys_of(&keys, terms, &m);
    size_t count = without_repeats(keys.list, keys.count);
    out->size = 0;
    if (code == 0)
        code = packed_reserve(out, count * KEY_SIZE + 1);
    for (size_t i = 0; i < count && code == 0; i++, out->size += KEY_SIZE)
        put_key(keys.list[i], out->bytes + out->size);
    free(keys.list);
    return code;
}

/* ---- Marks ---- */

static int add_mark(struct packed *out, bool there, const char *word)
{
    char mark[MARK_SIZE];
    int size = snprintf(mark, sizeof mark, ",%s,", word);
    if (!there)
        return 0;
    if (packed_reserve(out, sizeof mark) != 0)
        return -ENOMEM;
    memcpy(out->bytes + out->size, mark, (size_t)size + 1);
    out->size += (size_t)size;
    return 0;
}

struct marks { /* those that there are */
    bool results[HISTORY_REJECTED + 2], states[HISTORY_DROPPED + 1], statuses[TERM_STATUS_MAX + 1];
};

static int find_marks(const struct packed *terms, struct marks *marks)
{
    struct message_terms m;
    size_t at = 0;
    int code;
    while ((code = terms_next(terms, &at, &m)) == 0) {
        marks->results[m.result] = true; /* two bits, as a state */
        for (uint32_t i = 0; i < m.delivery_count; i++) {
            struct delivery_term term;
            uint32_t destination, origin;
            terms_delivery(terms, &m, i, &destination, &origin, &term);
            marks->states[term.state] = true;
            marks->statuses[term.status] = true;
        }
    }
    return code == -ENOENT ? 0 : code;
}

int history_pg_marks(const struct packed *terms, struct packed *out)
{
    struct marks marks = {0};
    int code = find_marks(terms, &marks);
    out->size = 0;
    if (code == 0)
        code = add_mark(out, true, ""); /* none is another thing than not known */
    for (int i = 0; i <= HISTORY_REJECTED && code == 0; i++)
        code = add_mark(out, marks.results[i], history_result_name((enum history_result)i));
    for (int i = 0; i <= HISTORY_DROPPED && code == 0; i++)
        code = add_mark(out, marks.states[i], history_state_name((enum history_state)i));
    for (int i = 1; i <= TERM_STATUS_MAX && code == 0; i++) {
        char status[MARK_SIZE];
        snprintf(status, sizeof status, "%d", i);
        code = add_mark(out, marks.statuses[i], status);
    }
    return code;
}

/* ---- What is looked for ---- */

static void want_mark(char *pattern, size_t size, const char *word)
{
    size_t at = strlen(pattern);
    snprintf(pattern + at, size - at, "%s,%s,%%", at ? "" : "%", word);
}

static void add_key_needle(struct values *v, bool wanted, uint32_t hash)
{
    char key[KEY_SIZE];
    put_key(hash, key);
    values_bytes(v, wanted ? key : NULL, sizeof key);
}

void history_pg_needles(struct values *v, const struct filter_terms *filter)
{
    const struct history_filter *f = filter->filter;
    char pattern[4 * MARK_SIZE] = "", status[MARK_SIZE];
    snprintf(status, sizeof status, "%d", f->status);
    if (f->result)
        want_mark(pattern, sizeof pattern, f->result);
    if (f->state)
        want_mark(pattern, sizeof pattern, f->state);
    if (f->status)
        want_mark(pattern, sizeof pattern, status);
    values_text(v, *pattern ? pattern : NULL);
    add_key_needle(v, f->sender, filter->sender);
    add_key_needle(v, f->recipient, filter->recipient);
    add_key_needle(v, f->destination, filter->destination);
    values_bytes(v, filter->subject, filter->subject ? strlen(filter->subject) : 0);
}
