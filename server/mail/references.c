#include "references.h"

#include <ctype.h>
#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

/* Looks through HTML that comes in pieces: after "cid:", up to what ends a URL, is an id. */
struct search {
    struct part **wanted; /* sorted by cid */
    size_t count;
    size_t matched; /* how much of "cid:" was just seen */
    char id[PART_MAX_NAME + 1];
    size_t id_size;
    unsigned hex; /* digits still to come of a percent-encoded byte */
};

static int by_cid(const void *a, const void *b)
{
    return strcmp((*(struct part *const *)a)->cid, (*(struct part *const *)b)->cid);
}

static void id_ends(struct search *search)
{
    struct part key = {.cid = search->id}, *key_pointer = &key;
    search->id[search->id_size] = 0;
    struct part **found =
        bsearch(&key_pointer, search->wanted, search->count, sizeof *search->wanted, by_cid);
    if (!found || (*found)->role == PART_INLINE)
        return;
    /* Any of several with the same id was found. */
    while (found > search->wanted && by_cid(found - 1, found) == 0)
        found--;
    for (; found < search->wanted + search->count && strcmp((*found)->cid, search->id) == 0;
         found++)
        (*found)->role = PART_INLINE;
}

static void id_goes_on(struct search *search, char c)
{
    if (search->id_size == PART_MAX_NAME)
        return;
    if (search->hex > 0 && isxdigit((unsigned char)c)) {
        search->id[search->id_size] =
            (char)(search->id[search->id_size] << 4 | g_ascii_xdigit_value(c));
        if (--search->hex == 0)
            search->id_size++;
        return;
    }
    search->hex = c == '%' ? 2 : 0;
    search->id[search->id_size] = 0;
    if (search->hex == 0)
        search->id[search->id_size++] = c;
}

static int look(void *context, const char *bytes, size_t size)
{
    static const char start[] = "cid:";
    struct search *search = context;
    for (size_t i = 0; i < size; i++) {
        char c = bytes[i];
        if (search->matched == 4) {
            if ((unsigned char)c > ' ' && !strchr("\"'<>)", c)) {
                id_goes_on(search, c);
                continue;
            }
            id_ends(search);
            search->matched = 0;
        }
        if (search->matched == 0) {
            const char *next = memchr(bytes + i, ':', size - i);
            /* "cid" can only be before a colon, or at the end of the piece. */
            size_t near = next ? (size_t)(next - bytes) : size;
            if (near > i + 3) {
                i = near - 3;
                c = bytes[i];
            }
        }
        if (tolower((unsigned char)c) == start[search->matched])
            search->matched++;
        else
            search->matched = tolower((unsigned char)c) == 'c';
        if (search->matched == 4) {
            search->id_size = 0;
            search->hex = 0;
        }
    }
    return 0;
}

int references_find(struct message *message)
{
    struct search search = {.wanted = malloc(message->part_count * sizeof(struct part *))};
    if (!search.wanted)
        return -ENOMEM;
    for (size_t i = 0; i < message->part_count; i++) {
        struct part *part = &message->parts[i];
        if (part->role == PART_ATTACHMENT && part->cid && strncmp(part->type, "message/", 8) != 0)
            search.wanted[search.count++] = part;
    }
    qsort(search.wanted, search.count, sizeof *search.wanted, by_cid);
    int status = message_read_text(message, PART_HTML, look, &search);
    if (status == 0 && search.matched == 4)
        id_ends(&search);
    free(search.wanted);
    return status;
}
