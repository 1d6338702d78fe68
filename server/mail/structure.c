#include "structure.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../base/ascii.h"
#include "buffer.h"
#include "fields.h"
#include "lines.h"
#include "structure_scan.h"

/* Of a header block only the Content-* fields are kept, so that no other changes what a part is,
 * however long it is. */
#define CONTENT_FIELD_MAX (64u << 10) /* bytes of one; what is behind them is not read */
#define CONTENT_MAX       (4 * CONTENT_FIELD_MAX)

/* --- Header blocks --- */

static bool is_content_field(const struct line *line)
{
    size_t blanks = 0; /* before the first field of a block */
    while (blanks < line->size && (line->bytes[blanks] == ' ' || line->bytes[blanks] == '\t'))
        blanks++;
    return line->size - blanks > 8 && strncasecmp(line->bytes + blanks, "Content-", 8) == 0;
}

/* Keeps a line of a Content-* field, or a fragment of one. */
static int keep_line(struct structure_scan *scan, size_t field_start)
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
static int pass_header(struct structure_scan *scan, struct header_reader *reader)
{
    size_t level, start = 0;
    bool close, keep = false;
    int status;
    scan->content.size = 0;
    while ((status = lines_next(&scan->lines, &scan->line)) > 0) {
        const struct line *line = &scan->line;
        if (line->begins && structure_find_boundary(scan, &level, &close)) {
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
static int get_bytes(struct structure_scan *scan, uint64_t begin, uint64_t end, size_t limit,
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
static int keep_header(struct structure_scan *scan, const struct header_reader *reader)
{
    struct structure *found = scan->found;
    found->too_large = header_reader_is_too_large(reader);
    found->repairs |= reader->mbox ? REPAIR_MBOX_LINE : 0;
    return get_bytes(scan, reader->begin, reader->end, HEADER_MAX_BYTES, &found->header,
                     &found->header_size, &found->header_memory);
}

static int read_entity(struct structure_scan *scan, struct entity *entity)
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
    status = structure_read_fields(scan, 0, &entity->header);
    return status == 0 && entity->has_body ? structure_settle_boundary(scan, entity) : status;
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

static int open_leaf(struct structure_scan *scan, struct entity *entity)
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

static void open_level(struct structure_scan *scan, const struct part_header *header)
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
static int open_entity(struct structure_scan *scan)
{
    struct entity entity;
    struct part_header *header = &entity.header;
    int status = read_entity(scan, &entity);
    scan->last_end = 0;
    bool attachment = header->part.disposition == DISPOSITION_ATTACHMENT;
    if (status < 0 ||
        (!entity.has_body && !attachment && (scan->depth == 0 || !header->has_fields)))
        return status; /* a message without a body, two boundaries on end: no part */
    if (part_header_is_multipart(header) && scan->depth < MESSAGE_MAX_DEPTH) {
        if (header->boundary) {
            open_level(scan, header);
            return 0;
        }
        strcpy(header->type, "text/plain"); /* so that people can read it */
    }
    return open_leaf(scan, &entity);
}

static void close_leaf(struct structure_scan *scan, uint64_t end)
{
    if (!scan->in_leaf)
        return;
    struct part *part = &scan->found->parts[scan->found->part_count - 1];
    part->end = end > part->start ? end : part->start;
    scan->in_leaf = false;
}

/* Closes the levels above `depth`. One whose boundary never came is a text, so that people can read
 * it. */
static int close_levels(struct structure_scan *scan, size_t depth, uint64_t end)
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

static int at_boundary(struct structure_scan *scan, size_t level, bool close)
{
    uint64_t end = scan->line.offset - scan->last_end;
    close_leaf(scan, end);
    int status = close_levels(scan, close ? level : level + 1, end);
    if (status < 0 || close)
        return status;
    scan->levels[level].seen = true;
    return open_entity(scan);
}

static int walk(struct structure_scan *scan)
{
    size_t level;
    bool close;
    int status = open_entity(scan);
    while (status == 0 && (status = lines_next(&scan->lines, &scan->line)) > 0) {
        status = 0;
        if (structure_find_boundary(scan, &level, &close))
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
    struct structure_scan scan;
    /* Not all of it is cleared: the levels are, one by one, as they are opened. */
    memset(&scan, 0, offsetof(struct structure_scan, levels));
    scan.arena = arena;
    scan.data = data;
    scan.found = structure;
    scan.depth = 0;
    scan.in_leaf = false;
    scan.content = (struct buffer){0};
    scan.ahead_left = 4 * spill_size(data) + STRUCTURE_AHEAD;
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
