/* Blobs that grow, and the hashes that stand in them. */
#include <ctype.h>
#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "segment.h"

#define FIRST_ROOM 4096

int packed_reserve(struct packed *p, size_t size)
{
    if (size <= p->room - p->size)
        return 0;
    size_t room = p->room ? 2 * p->room : FIRST_ROOM;
    while (room - p->size < size)
        room *= 2;
    char *bytes = realloc(p->bytes, room);
    if (!bytes)
        return -ENOMEM;
    p->bytes = bytes;
    p->room = room;
    return 0;
}

void packed_free(struct packed *p)
{
    free(p->bytes);
    *p = (struct packed){0};
}

/* FNV-1a. They are stored: never to be changed without another number of the schema. */
#define HASH_START 2166136261u
#define HASH_STEP  16777619u

uint32_t term_of_text(const char *text, size_t size)
{
    uint32_t hash = HASH_START;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)text[i]) * HASH_STEP;
    return hash;
}

static uint32_t hash_lower(const char *text)
{
    uint32_t hash = HASH_START;
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        hash = (hash ^ (c >= 'A' && c <= 'Z' ? c | 0x20u : c)) * HASH_STEP;
    }
    return hash;
}

uint32_t term_of_address(const char *address)
{
    return hash_lower(address ? address : "");
}

uint32_t term_of_domain(const char *address)
{
    const char *at = address ? strrchr(address, '@') : NULL;
    return hash_lower(at ? at + 1 : "");
}

uint32_t term_of_connection(const char *id)
{
    return term_of_text(id, strcspn(id, "-."));
}

char *subject_folded(const char *subject)
{
    gchar *lower = g_utf8_validate(subject, -1, NULL) ? g_utf8_strdown(subject, -1)
                                                      : g_ascii_strdown(subject, -1);
    char *folded = lower ? strdup(lower) : NULL;
    g_free(lower);
    for (char *p = folded; p && *p; p++)
        if ((unsigned char)*p < ' ')
            *p = ' ';
    return folded;
}
