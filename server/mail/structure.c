#include "structure.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../base/ascii.h"
#include "buffer.h"
#include "fields.h"
#include "lines.h"
#include "part_header.h"

struct level {
    char *boundary;
    size_t boundary_size;
    bool seen;    /* its boundary came */
    bool related; /* it, or one around it, is a multipart/related */
    bool digest;
    struct part alone; /* the leaf that it is if its boundary never comes */
};

struct scan {
    struct arena *arena;
    const struct spill *data;
    struct structure *found;
    struct lines lines;
    struct line line;
    size_t last_end; /* size of the line end before `line`, inside the current body */
    struct level levels[MESSAGE_MAX_DEPTH];
    size_t depth;
    bool in_leaf;          /* the last part is open */
    struct buffer content; /* the Content-* fields of the last header block */
    uint64_t ahead_left;   /* bytes that may still be read ahead, to find boundaries */
};

/* A part as it is opened: where its header block begins, and whether there is a body behind it. */
struct entity {
    struct part_header header;
    uint64_t begin, body;
    bool has_body;
};

/* Of a header block only the Content-* fields are kept, so that no other changes what a part is,
 * however long it is. */
#define CONTENT_FIELD_MAX (64u << 10) /* bytes of one; what is behind them is not read */
#define CONTENT_MAX       (4 * CONTENT_FIELD_MAX)

/* Is the line a boundary, and whose? Innermost first. One that does not fit the window is none, so
 * that it is the same from memory and from a file. */
static bool find_boundary(const struct scan *scan, size_t *level, bool *close)
{
    const struct line *line = &scan->line;
    if (!line->begins || line->size < 3 || line->size >= LINES_WINDOW ||
        memcmp(line->bytes, "--", 2) != 0)
        return false;
    const char *text = line->bytes + 2;
    size_t size = line->size - 2;
    while (size > 0 && is_space(text[size - 1]))
        size--;
    for (size_t i = scan->depth; i-- > 0;) {
        const struct level *l = &scan->levels[i];
        bool longer = size == l->boundary_size + 2 && memcmp(text + size - 2, "--", 2) == 0;
        if ((size == l->boundary_size || longer) &&
            memcmp(text, l->boundary, l->boundary_size) == 0) {
            *level = i;
            *close = longer;
            return true;
        }
    }
    return false;
}

/* --- Header blocks --- */

static bool is_content_field(const struct line *line)
{
    size_t blanks = 0; /* before the first field of a block */
    while (blanks < line->size && (line->bytes[blanks] == ' ' || line->bytes[blanks] == '\t'))
        blanks++;
    return line->size - blanks > 8 && strncasecmp(line->bytes + blanks, "Content-", 8) == 0;
}

/* Keeps a line of a Content-* field, or a fragment of one. */
static int keep_line(struct scan *scan, size_t field_start)
{
    struct buffer *kept = &scan->content;
    const struct line *line = &scan->line;
    size_t have = kept->size - field_start;
    size_t size = have > CONTENT_FIELD_MAX ? 0 : line->size;
    if (size > CONTENT_FIELD_MAX - have)
        size = CONTENT_FIELD_MAX - have;
    if (size > CONTENT_MAX - kept->size)
        size = CONTENT_MAX - kept->size;
    return buffer_append(kept, line->bytes, size);
}

/* Ends a field that was cut. */
static int end_kept(struct buffer *kept)
{
    bool cut = kept->size > 0 && kept->bytes[kept->size - 1] != '\n';
    return cut ? buffer_append_byte(kept, '\n') : 0;
}

/* Reads the lines of a header block, and the Content-* fields of it into scan->content. The next
 * line is then the first of the body, or a boundary. */
static int pass_header(struct scan *scan, struct header_reader *reader)
{
    size_t level, start = 0;
    bool close, keep = false;
    int status;
    scan->content.size = 0;
    while ((status = lines_next(&scan->lines, &scan->line)) > 0) {
        const struct line *line = &scan->line;
        if (line->begins && find_boundary(scan, &level, &close)) {
            header_reader_finish(reader, line->offset);
            break;
        }
        if (line->begins) {
            enum header_line kind =
                header_reader_next(reader, line->bytes, line->size, line->offset);
            if (kind == HEADER_END)
                break;
            keep = kind == HEADER_FIELD ? is_content_field(line) : keep && kind == HEADER_MORE;
            if (kind == HEADER_FIELD && (status = end_kept(&scan->content)) < 0)
                return status;
            start = kind == HEADER_FIELD ? scan->content.size : start;
        }
        if (keep && (status = keep_line(scan, start)) < 0)
            return status;
    }
    if (status >= 0) {
        header_reader_finish(reader, scan->lines.size);
        lines_seek(&scan->lines, reader->body);
        status = end_kept(&scan->content);
    }
    return status;
}

/* The bytes [begin, end), at most `limit` of them; what had to be allocated for that is in *memory.
 */
static int get_bytes(struct scan *scan, uint64_t begin, uint64_t end, size_t limit,
                     const char **bytes, size_t *size, char **memory)
{
    *size = end - begin < limit ? (size_t)(end - begin) : limit;
    *memory = NULL;
    *bytes = "";
    if (*size == 0)
        return 0;
    if (scan->lines.memory) {
        *bytes = scan->lines.memory + begin;
        return 0;
    }
    *memory = malloc(*size);
    if (!*memory)
        return -ENOMEM;
    *bytes = *memory;
    for (size_t have = 0; have < *size;) {
        ssize_t got = spill_read(scan->data, begin + have, *memory + have, *size - have);
        if (got <= 0)
            return got < 0 ? (int)got : -EIO;
        have += (size_t)got;
    }
    return 0;
}

/* Keeps a message's own header block. */
static int keep_header(struct scan *scan, const struct header_reader *reader)
{
    struct structure *found = scan->found;
    found->too_large = header_reader_is_too_large(reader);
    found->repairs |= reader->mbox ? REPAIR_MBOX_LINE : 0;
    return get_bytes(scan, reader->begin, reader->end, HEADER_MAX_BYTES, &found->header,
                     &found->header_size, &found->header_memory);
}

static int read_content_fields(struct scan *scan, size_t which, struct part_header *header)
{
    return part_header_read(scan->content.size ? scan->content.bytes : "", scan->content.size,
                            which, scan->arena, header);
}

/* --- Boundaries that are declared wrong --- */

#define TYPES_MAX     4          /* Content-Type fields of one part that are looked at */
#define AHEAD_AT_ONCE (1u << 20) /* bytes behind a likely boundary in which a better one may come */

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
static int look_ahead(struct scan *scan, struct search *search)
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
        if (find_boundary(scan, &level, &close))
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
            line->offset - search->like_at > AHEAD_AT_ONCE)
            break;
    }
    lines_seek(&scan->lines, begin);
    return status < 0 ? status : 0;
}

static int take_boundary(struct scan *scan, struct part_header *header, const struct search *search)
{
    header->boundary = arena_strndup(scan->arena, search->text, search->text_size);
    header->boundary_size = search->text_size;
    scan->found->repairs |= REPAIR_BOUNDARY;
    return header->boundary ? 0 : -ENOMEM;
}

static bool is_multipart(const struct part_header *header)
{
    return strncmp(header->type, "multipart/", 10) == 0;
}

/* Of several Content-Type fields the one counts whose boundary comes; else the first. A boundary with
 * other dashes than were declared is that which stands there; where none was declared, the body's
 * first line is one if it comes again as the end. */
static int settle_boundary(struct scan *scan, struct entity *entity)
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
        status = read_content_fields(scan, i, &types[i]);
        boundary = boundary || types[i].boundary;
    }
    search.exact = search.count;
    search.undeclared = !boundary;
    if (status < 0 || (!boundary && !is_multipart(header)))
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

static int read_entity(struct scan *scan, struct entity *entity)
{
    struct header_reader reader;
    bool top = scan->lines.offset == 0;
    bool digest = scan->depth > 0 && scan->levels[scan->depth - 1].digest;
    *entity = (struct entity){0};
    strcpy(entity->header.type, digest ? "message/rfc822" : "text/plain");
    entity->begin = scan->lines.offset;
    header_reader_init(&reader, entity->begin, top);
    int status = pass_header(scan, &reader);
    if (status == 0 && top)
        status = keep_header(scan, &reader);
    if (status < 0)
        return status;
    entity->body = reader.body;
    entity->has_body = reader.body > reader.end || (reader.in_stray && reader.body == reader.stray);
    entity->header.has_fields = reader.fields > 0;
    entity->header.part.start = entity->body;
    scan->found->repairs |= reader.strays ? REPAIR_STRAY_LINES : 0;
    status = read_content_fields(scan, 0, &entity->header);
    return status == 0 && entity->has_body ? settle_boundary(scan, entity) : status;
}

/* --- Parts --- */

static int append_part(struct structure *found, const struct part *part)
{
    if (found->part_count == found->part_capacity) {
        size_t capacity = found->part_capacity ? found->part_capacity * 2 : 8;
        struct part *grown = realloc(found->parts, capacity * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        found->parts = grown;
        found->part_capacity = capacity;
    }
    found->parts[found->part_count++] = *part;
    return 0;
}

static int open_leaf(struct scan *scan, struct entity *entity)
{
    struct part *part = &entity->header.part;
    part->type = arena_strdup(scan->arena, entity->header.type);
    if (!part->type)
        return -ENOMEM;
    part->related = scan->depth > 0 && scan->levels[scan->depth - 1].related;
    scan->in_leaf = true;
    if (scan->found->part_count == MESSAGE_MAX_PARTS - 1) {
        *part = (struct part){.type = "application/octet-stream",
                              .disposition = DISPOSITION_ATTACHMENT,
                              .start = entity->begin};
        scan->depth = 0; /* nothing ends it but the end */
    }
    return append_part(scan->found, part);
}

static void open_level(struct scan *scan, const struct part_header *header)
{
    struct level *level = &scan->levels[scan->depth];
    bool related = scan->depth > 0 && level[-1].related;
    *level = (struct level){
        .boundary = header->boundary,
        .boundary_size = header->boundary_size,
        .related = related || strcmp(header->type, "multipart/related") == 0,
        .digest = strcmp(header->type, "multipart/digest") == 0,
        .alone = header->part,
    };
    level->alone.related = related;
    level->alone.type = "text/plain";
    scan->depth++;
}

/* Reads an entity's header and opens what it says: a leaf or a level. */
static int open_entity(struct scan *scan)
{
    struct entity entity;
    struct part_header *header = &entity.header;
    int status = read_entity(scan, &entity);
    scan->last_end = 0;
    bool attachment = header->part.disposition == DISPOSITION_ATTACHMENT;
    if (status < 0 ||
        (!entity.has_body && !attachment && (scan->depth == 0 || !header->has_fields)))
        return status; /* a message without a body, two boundaries on end: no part */
    if (is_multipart(header) && scan->depth < MESSAGE_MAX_DEPTH) {
        if (header->boundary) {
            open_level(scan, header);
            return 0;
        }
        strcpy(header->type, "text/plain"); /* so that people can read it */
    }
    return open_leaf(scan, &entity);
}

static void close_leaf(struct scan *scan, uint64_t end)
{
    if (!scan->in_leaf)
        return;
    struct part *part = &scan->found->parts[scan->found->part_count - 1];
    part->end = end > part->start ? end : part->start;
    scan->in_leaf = false;
}

/* Closes the levels above `depth`. One whose boundary never came is a text, so that people can read
 * it. */
static int close_levels(struct scan *scan, size_t depth, uint64_t end)
{
    int status = 0;
    while (scan->depth > depth && status == 0) {
        struct level *level = &scan->levels[--scan->depth];
        if (!level->seen && scan->found->part_count < MESSAGE_MAX_PARTS) {
            level->alone.end = end > level->alone.start ? end : level->alone.start;
            status = append_part(scan->found, &level->alone);
        }
    }
    return status;
}

static int at_boundary(struct scan *scan, size_t level, bool close)
{
    uint64_t end = scan->line.offset - scan->last_end;
    close_leaf(scan, end);
    int status = close_levels(scan, close ? level : level + 1, end);
    if (status < 0 || close)
        return status;
    scan->levels[level].seen = true;
    return open_entity(scan);
}

static int walk(struct scan *scan)
{
    size_t level;
    bool close;
    int status = open_entity(scan);
    while (status == 0 && (status = lines_next(&scan->lines, &scan->line)) > 0) {
        status = 0;
        if (find_boundary(scan, &level, &close))
            status = at_boundary(scan, level, close);
        else
            scan->last_end = scan->line.end_size;
    }
    if (status == 0) {
        close_leaf(scan, scan->lines.size);
        status = close_levels(scan, 0, scan->lines.size);
    }
    return status;
}

int structure_find(const struct spill *data, struct arena *arena, struct structure *structure)
{
    struct scan scan;
    /* Not all of it is cleared: the levels are, one by one, as they are opened. */
    memset(&scan, 0, offsetof(struct scan, levels));
    scan.arena = arena;
    scan.data = data;
    scan.found = structure;
    scan.depth = 0;
    scan.in_leaf = false;
    scan.content = (struct buffer){0};
    scan.ahead_left = 4 * spill_size(data) + AHEAD_AT_ONCE;
    *structure = (struct structure){.header = ""};
    int status = lines_open(&scan.lines, data);
    if (status == 0)
        status = walk(&scan);
    lines_close(&scan.lines);
    buffer_free(&scan.content);
    return status;
}

void structure_free(struct structure *structure)
{
    free(structure->header_memory);
    free(structure->parts);
    *structure = (struct structure){.header = ""};
}
