#include "structure.h"

#include <errno.h>
#include <gmime/gmime.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "charset.h"
#include "fields.h"
#include "lines.h"
#include "params.h"

#define TYPE_MAX     256
#define CHARSET_MAX  64
#define BOUNDARY_MAX 998 /* bytes; RFC 2046 allows 70, a line 998 */

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
    bool again;      /* `line` is to be looked at again */
    size_t last_end; /* size of the line end before `line`, inside the current body */
    struct level levels[MESSAGE_MAX_DEPTH];
    size_t depth;
    bool in_leaf; /* the last part is open */
};

/* What a header block says of its body. */
struct entity {
    struct part part;
    char type[TYPE_MAX];
    char *boundary; /* in the arena; NULL: no multipart, or none that can be taken apart */
    size_t boundary_size;
    uint64_t begin; /* of its header block */
    bool has_header, has_body;
};

static int scan_next(struct scan *scan)
{
    if (scan->again) {
        scan->again = false;
        return 1;
    }
    return lines_next(&scan->lines, &scan->line);
}

/* Is the line a boundary, and whose? Innermost first. */
static bool find_boundary(const struct scan *scan, size_t *level, bool *close)
{
    const char *text = scan->line.bytes + 2;
    if (!scan->line.begins || scan->line.size < 3 || text[-2] != '-' || text[-1] != '-')
        return false;
    size_t size = scan->line.size - 2;
    while (size > 0 && strchr(" \t\r\n", text[size - 1]) && text[size - 1])
        size--;
    for (size_t i = scan->depth; i-- > 0;) {
        const struct level *l = &scan->levels[i];
        bool longer =
            size == l->boundary_size + 2 && text[size - 1] == '-' && text[size - 2] == '-';
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

/* Reads the lines of a header block; what stands in it is [*begin, *end). */
static int pass_header(struct scan *scan, struct entity *entity, uint64_t *end)
{
    size_t level;
    bool close;
    int status;
    entity->begin = scan->lines.offset;
    while ((status = scan_next(scan)) > 0) {
        *end = scan->line.offset;
        if (!scan->line.begins)
            continue;
        entity->part.start = scan->line.offset;
        if (find_boundary(scan, &level, &close)) {
            scan->again = true;
            return 0;
        }
        enum field_line kind = field_line_kind(scan->line.bytes, scan->line.size);
        if (kind == LINE_OTHER && scan->line.offset == 0 && scan->line.size > 6 &&
            (memcmp(scan->line.bytes, "From ", 5) == 0 ||
             memcmp(scan->line.bytes, ">From ", 6) == 0))
            continue; /* of an mbox */
        if (kind == LINE_EMPTY || kind == LINE_OTHER) {
            entity->has_body = true;
            scan->again = kind == LINE_OTHER;
            entity->part.start += scan->again ? 0 : scan->line.size;
            return 0;
        }
    }
    entity->part.start = *end = scan->lines.size;
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

/* A short text into the arena, cut at a character. NUL is left out, as it is a C string. */
static int keep_text(struct scan *scan, struct buffer *text, const char **out)
{
    buffer_drop_nul(text);
    size_t size = text->size;
    if (size > PART_MAX_NAME) {
        size = PART_MAX_NAME;
        while ((text->bytes[size] & 0xC0) == 0x80)
            size--;
    }
    *out = NULL;
    if (size == 0)
        return 0;
    *out = arena_strndup(scan->arena, text->bytes, size);
    return *out ? 0 : -ENOMEM;
}

static int read_name(struct scan *scan, const struct field *field, const char *parameter,
                     struct entity *entity)
{
    struct buffer text = {0};
    int status = params_text(field->value, field->value_size, parameter, &text);
    if (status == 0 && text.size > 0)
        status = keep_text(scan, &text, &entity->part.name);
    buffer_free(&text);
    return status == -ENOENT ? 0 : status;
}

/* A charset's or a boundary's bytes; "" where there is none. */
static int read_bytes(struct scan *scan, const struct field *field, const char *parameter,
                      const char *stops, char **out, size_t *size)
{
    struct buffer bytes = {0};
    int status = params_bytes(field->value, field->value_size, parameter, &bytes);
    if (status == -ENOENT)
        status = 0;
    *size = bytes.size;
    if (status == 0)
        status = buffer_append_byte(&bytes, 0);
    if (status == 0) {
        size_t until = strcspn(bytes.bytes, stops);
        *size = until < *size ? until : *size;
        *out = arena_strndup(scan->arena, bytes.bytes, *size);
        status = *out ? 0 : -ENOMEM;
    }
    buffer_free(&bytes);
    return status;
}

static int read_content_type(struct scan *scan, const struct field *field, struct entity *entity)
{
    char *text;
    size_t size;
    int status = 0;
    if (!params_type(field->value, field->value_size, entity->type, sizeof entity->type))
        strcpy(entity->type, "text/plain"); /* RFC 2045 section 5.2 */
    if (strncmp(entity->type, "multipart/", 10) == 0) {
        status = read_bytes(scan, field, "boundary", "", &text, &size);
        while (status == 0 && size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\t'))
            size--;
        if (status == 0 && size > 0 && size <= BOUNDARY_MAX) {
            entity->boundary = text;
            entity->boundary_size = size;
        }
    } else if (strncmp(entity->type, "text/", 5) == 0) {
        status = read_bytes(scan, field, "charset", " \t(;", &text, &size);
        if (status == 0 && size > 0 && size < CHARSET_MAX)
            entity->part.charset = text;
    }
    return status;
}

static int read_content_id(struct scan *scan, const struct field *field, struct entity *entity)
{
    struct buffer text = {0};
    const char *begin = field->value, *end = begin + field->value_size;
    const char *open = memchr(begin, '<', field->value_size);
    if (open) {
        const char *close = memchr(open, '>', (size_t)(end - open));
        begin = open + 1;
        end = close ? close : end;
    }
    int status = buffer_append(&text, begin, (size_t)(end - begin));
    struct buffer valid = {0};
    if (status == 0)
        status = charset_append(&valid, NULL, text.bytes, text.size);
    if (status == 0)
        status = keep_text(scan, &valid, &entity->part.cid);
    buffer_free(&text);
    buffer_free(&valid);
    return status;
}

static void read_disposition(const struct field *field, struct part *part)
{
    char token[32];
    params_token(field->value, field->value_size, token, sizeof token);
    if (strcmp(token, "attachment") == 0)
        part->disposition = DISPOSITION_ATTACHMENT;
    else if (strcmp(token, "inline") == 0)
        part->disposition = DISPOSITION_INLINE;
}

static void read_encoding(const struct field *field, struct part *part)
{
    char token[32];
    params_token(field->value, field->value_size, token, sizeof token);
    part->encoding = g_mime_content_encoding_from_string(token);
}

/* The four fields that matter of a part's header; each counts where it stands first. */
static int read_fields(struct scan *scan, const char *block, size_t size, struct entity *entity)
{
    struct field field, type = {0}, disposition = {0}, id = {0}, encoding = {0};
    int status = 0;
    for (size_t at = 0; field_next(block, size, &at, &field);) {
        entity->has_header = true;
        if (field.name_size < 10 || (field.name[0] | 0x20) != 'c')
            continue;
        if (!type.name && field_is(&field, "Content-Type"))
            type = field;
        else if (!disposition.name && field_is(&field, "Content-Disposition"))
            disposition = field;
        else if (!id.name && field_is(&field, "Content-ID"))
            id = field;
        else if (!encoding.name && field_is(&field, "Content-Transfer-Encoding"))
            encoding = field;
    }
    if (encoding.name)
        read_encoding(&encoding, &entity->part);
    if (disposition.name) {
        read_disposition(&disposition, &entity->part);
        status = read_name(scan, &disposition, "filename", entity);
    }
    if (status == 0 && type.name)
        status = read_content_type(scan, &type, entity);
    if (status == 0 && type.name && !entity->part.name)
        status = read_name(scan, &type, "name", entity);
    if (status == 0 && id.name)
        status = read_content_id(scan, &id, entity);
    return status;
}

static int read_entity(struct scan *scan, struct entity *entity)
{
    uint64_t end = 0;
    const char *block;
    size_t size;
    char *memory;
    bool top = scan->lines.offset == 0;
    bool digest = scan->depth > 0 && scan->levels[scan->depth - 1].digest;
    *entity = (struct entity){0};
    strcpy(entity->type, digest ? "message/rfc822" : "text/plain");
    int status = pass_header(scan, entity, &end);
    if (status < 0)
        return status;
    status =
        get_bytes(scan, entity->begin, end, top ? MESSAGE_MAX_HEADER_BYTES : PART_MAX_HEADER_BYTES,
                  &block, &size, &memory);
    if (status == 0)
        status = read_fields(scan, block, size, entity);
    if (top) {
        scan->found->header = block;
        scan->found->header_size = size;
        scan->found->header_memory = memory;
    } else {
        free(memory);
    }
    return status;
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
    struct part *part = &entity->part;
    part->type = arena_strdup(scan->arena, entity->type);
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

static void open_level(struct scan *scan, const struct entity *entity)
{
    struct level *level = &scan->levels[scan->depth];
    bool related = scan->depth > 0 && level[-1].related;
    *level = (struct level){
        .boundary = entity->boundary,
        .boundary_size = entity->boundary_size,
        .related = related || strcmp(entity->type, "multipart/related") == 0,
        .digest = strcmp(entity->type, "multipart/digest") == 0,
        .alone = entity->part,
    };
    level->alone.related = related;
    level->alone.type = "text/plain";
    scan->depth++;
}

/* Reads an entity's header and opens what it says: a leaf or a level. */
static int open_entity(struct scan *scan)
{
    struct entity entity;
    int status = read_entity(scan, &entity);
    scan->last_end = 0;
    if (status < 0 || (!entity.has_body && (scan->depth == 0 || !entity.has_header)))
        return status; /* a message without a body, two boundaries on end: no part */
    if (strncmp(entity.type, "multipart/", 10) == 0 && scan->depth < MESSAGE_MAX_DEPTH) {
        if (entity.boundary) {
            open_level(scan, &entity);
            return 0;
        }
        strcpy(entity.type, "text/plain"); /* so that people can read it */
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
    while (status == 0 && (status = scan_next(scan)) > 0) {
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
    *structure = (struct structure){.header = ""};
    int status = lines_open(&scan.lines, data);
    if (status == 0)
        status = walk(&scan);
    lines_close(&scan.lines);
    return status;
}

void structure_free(struct structure *structure)
{
    free(structure->header_memory);
    free(structure->parts);
    *structure = (struct structure){.header = ""};
}
