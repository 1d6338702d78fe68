/* structure_boundary.c - boundaries that are declared wrong, and which of several Content-Type fields counts. */
#include <errno.h>
#include <string.h>

#include "../base/ascii.h"
#include "structure_scan.h"

/* --- Boundaries that are declared wrong --- */

#define TYPES_MAX 4 /* Content-Type fields of one part that are looked at */

/* What is looked for in a body, before it is taken apart. */
struct search {
    struct part_header *types; /* by each of the Content-Type fields */
    size_t count;
    size_t exact;    /* of `types`, whose boundary came; `count`: none did */
    size_t like;     /* whose boundary came but for dashes */
    char text[1000]; /* how it stands there */
    size_t text_size;
    uint64_t like_at;
    bool undeclared; /* none has a boundary: the body's first line may be one */
    bool closed;     /* and it came again, as the end */
};

/* Without dashes on either side. */
static const char *core_of(const char *text, size_t *size)
{
    while (*size > 0 && *text == '-') {
        text++;
        --*size;
    }
    while (*size > 0 && text[*size - 1] == '-')
        --*size;
    return text;
}

static bool is_end_of(const struct search *search, const char *text, size_t size)
{
    return search->text_size > 0 && size == search->text_size + 2 &&
           memcmp(text, search->text, search->text_size) == 0 &&
           memcmp(text + size - 2, "--", 2) == 0;
}

static void look_at_line(struct search *search, const char *text, size_t size)
{
    if (is_end_of(search, text, size)) {
        search->closed = true;
        return;
    }
    for (size_t i = 0; i < search->count; i++) {
        const struct part_header *type = &search->types[i];
        if (!type->boundary)
            continue;
        size_t own = type->boundary_size, core_size = size;
        bool closes = size == own + 2 && memcmp(text + size - 2, "--", 2) == 0;
        if ((size == own || closes) && memcmp(text, type->boundary, own) == 0) {
            search->exact = i;
            return;
        }
        const char *core = core_of(text, &core_size), *other = core_of(type->boundary, &own);
        if (search->text_size == 0 && core_size == own && own > 0 &&
            memcmp(core, other, own) == 0 && size < sizeof search->text) {
            search->like = i;
            search->text_size = size;
            memcpy(search->text, text, size);
        }
    }
}

/* The first line of a body for which no boundary is declared, and those behind it. */
static void look_at_undeclared(struct search *search, const char *text, size_t size, bool first)
{
    if (first && size < sizeof search->text && size > 0 && text[0] != '-' && !is_space(text[0])) {
        search->text_size = size;
        memcpy(search->text, text, size);
    } else if (is_end_of(search, text, size)) {
        search->closed = true;
    }
}

/* Reads ahead; the next line is then the one it was before. */
static int look_ahead(struct structure_scan *scan, struct search *search)
{
    uint64_t begin = scan->lines.offset;
    size_t level;
    bool close, first = true;
    int status = 0;
    while (search->exact == search->count && !search->closed && scan->ahead_left > 0 &&
           (status = lines_next(&scan->lines, &scan->line)) > 0) {
        const struct line *line = &scan->line;
        uint64_t size = line->size;
        scan->ahead_left -= size < scan->ahead_left ? size : scan->ahead_left;
        if (structure_find_boundary(scan, &level, &close))
            break;
        bool dashes =
            line->begins && size > 2 && size < LINES_WINDOW && memcmp(line->bytes, "--", 2) == 0;
        while (size > 2 && is_space(line->bytes[size - 1]))
            size--;
        if (dashes && search->undeclared)
            look_at_undeclared(search, line->bytes + 2, size - 2, first);
        else if (dashes)
            look_at_line(search, line->bytes + 2, size - 2);
        first = first && line->size == line->end_size; /* empty lines come before it */
        if (search->undeclared && !first && search->text_size == 0)
            break;
        if (search->text_size > 0 && search->like_at == 0)
            search->like_at = line->offset;
        if (!search->undeclared && search->text_size > 0 &&
            line->offset - search->like_at > STRUCTURE_AHEAD)
            break;
    }
    lines_seek(&scan->lines, begin);
    return status < 0 ? status : 0;
}

static int take_boundary(struct structure_scan *scan, struct part_header *header,
                         const struct search *search)
{
    header->boundary = arena_strndup(scan->arena, search->text, search->text_size);
    header->boundary_size = search->text_size;
    scan->found->repairs |= REPAIR_BOUNDARY;
    return header->boundary ? 0 : -ENOMEM;
}

int structure_settle_boundary(struct structure_scan *scan, struct entity *entity)
{
    struct part_header *header = &entity->header, types[TYPES_MAX];
    struct search search = {.types = types, .count = header->types < 1 ? 1 : header->types};
    bool boundary = header->boundary;
    search.count = search.count < TYPES_MAX ? search.count : TYPES_MAX;
    types[0] = *header;
    int status = 0;
    for (size_t i = 1; i < search.count && status == 0; i++) {
        types[i] = (struct part_header){.has_fields = header->has_fields};
        types[i].part.start = header->part.start;
        strcpy(types[i].type, "text/plain");
        status = structure_read_fields(scan, i, &types[i]);
        boundary = boundary || types[i].boundary;
    }
    search.exact = search.count;
    search.undeclared = !boundary;
    if (status < 0 || (!boundary && !part_header_is_multipart(header)))
        return status;
    status = look_ahead(scan, &search);
    if (status < 0)
        return status;
    if (search.exact < search.count) {
        *header = types[search.exact];
    } else if (search.undeclared ? search.closed : search.text_size > 0) {
        *header = types[search.like];
        status = take_boundary(scan, header, &search);
    }
    scan->found->repairs |= header->types > 1 ? REPAIR_CONTENT_TYPES : 0;
    return status;
}
