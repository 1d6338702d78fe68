#include "pages.h"

#include <stdlib.h>
#include <string.h>

#include "../base/arena.h"

#define PAGE_BYTES                                                                                 \
    (256u * 1024 - 64) /* with its heads 256 KiB, which malloc maps apart from its heap */
#define ALIGNMENT _Alignof(max_align_t)

struct note_page {
    struct note_page *next;
    size_t used, size;
    _Alignas(max_align_t) char bytes[];
};

/* ---- Pages ---- */

static struct note_page *page_for(struct note_pages *pages, size_t size)
{
    struct note_page *page = pages->spare;
    if (page && page->size >= size) {
        pages->spare = page->next;
    } else {
        size_t room = size > PAGE_BYTES ? size : PAGE_BYTES;
        page = malloc(sizeof *page + room);
        if (!page)
            return NULL;
        page->size = room;
    }
    page->used = 0;
    page->next = pages->used;
    pages->used = page;
    return page;
}

static void *take(struct note_pages *pages, size_t size, size_t alignment)
{
    struct note_page *page = pages->used;
    size_t at = page ? (page->used + alignment - 1) & ~(alignment - 1) : 0;
    if (!page || at > page->size || page->size - at < size) {
        page = page_for(pages, size);
        at = 0;
    }
    if (!page)
        return NULL;
    page->used = at + size;
    return page->bytes + at;
}

static void free_list(struct note_page *page)
{
    for (struct note_page *next; page; page = next) {
        next = page->next;
        free(page);
    }
}

void pages_recycle(struct note_pages *to, struct note_pages *from)
{
    struct note_page *left = to->spare;
    to->spare = from->used;
    from->used = left;
}

void pages_free(struct note_pages *pages)
{
    free_list(pages->used);
    free_list(pages->spare);
    *pages = (struct note_pages){0};
}

/* ---- Copies ---- */

/* All texts of a record end up here, so that they are told where to go once. */
struct copying {
    struct note_pages *pages;
    bool failed;
};

static const void *copy(struct copying *c, const void *bytes, size_t size, size_t alignment)
{
    void *memory = size > 0 ? take(c->pages, size, alignment) : NULL;
    if (memory)
        memcpy(memory, bytes, size);
    c->failed |= size > 0 && !memory;
    return memory;
}

static void copy_text(struct copying *c, const char **text)
{
    if (*text)
        *text = copy(c, *text, strlen(*text) + 1, 1);
}

static void copy_recipients(struct copying *c, struct history_message *m)
{
    m->recipients = (struct history_recipient *)copy(
        c, m->recipients, m->recipient_count * sizeof *m->recipients, ALIGNMENT);
    for (size_t i = 0; i < m->recipient_count && !c->failed; i++) {
        struct history_recipient *r = &m->recipients[i];
        copy_text(c, &r->address);
        copy_text(c, &r->rule);
        copy_text(c, &r->asked);
    }
}

static void copy_deliveries(struct copying *c, struct history_message *m)
{
    m->deliveries = (struct history_delivery *)copy(
        c, m->deliveries, m->delivery_count * sizeof *m->deliveries, ALIGNMENT);
    for (size_t i = 0; i < m->delivery_count && !c->failed; i++) {
        struct history_delivery *d = &m->deliveries[i];
        copy_text(c, &d->recipient);
        copy_text(c, &d->destination);
        copy_text(c, &d->origin);
        copy_text(c, &d->target);
    }
}

/* Names of results and verdicts are constants: they are not copied. */
static void copy_message(struct copying *c, struct history_message *m)
{
    const char **const texts[] = {&m->reply,     &m->sender,      &m->subject, &m->message_id,
                                  &m->client_ip, &m->client_name, &m->helo,    &m->user};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        copy_text(c, texts[i]);
    copy_recipients(c, m);
    copy_deliveries(c, m);
}

struct history_message *pages_take_message(struct note_pages *pages, struct history_message *m)
{
    struct copying c = {.pages = pages};
    struct history_message *to = take(pages, sizeof *to, ALIGNMENT);
    if (to) {
        *to = *m;
        to->arena = NULL;
        copy_message(&c, to);
    }
    if (!to || c.failed) {
        history_message_free(m);
        return NULL;
    }
    arena_free(m->arena); /* its references are the copy's */
    return to;
}

struct history_attempt *pages_take_attempt(struct note_pages *pages, struct history_attempt *a)
{
    struct copying c = {.pages = pages};
    struct history_attempt *to = take(pages, sizeof *to, ALIGNMENT);
    if (to) {
        *to = *a;
        to->arena = NULL;
        copy_text(&c, &to->error);
        copy_text(&c, &to->reply);
        copy_text(&c, &to->target);
    }
    if (!to || c.failed) {
        history_attempt_free(a);
        return NULL;
    }
    arena_free(a->arena);
    return to;
}
