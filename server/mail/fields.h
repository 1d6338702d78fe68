/*
 * fields.h - a header block (RFC 5322 section 2.2): where it begins and ends, and its fields, nothing
 * decoded.
 *
 * Everybody who reads a header reads it by this file: the parser, the checks (auth/head.h) and who
 * forwards (original.h). So none of them sees a field that another does not.
 *
 * empty line   ends a block; the body begins behind it
 * stray line   neither a field nor the rest of one. Where fields follow before the empty line, it is
 *              passed over; where none does, the body begins with it.
 * strict end   where a block ends for who signs: at its first stray line
 * mbox line    "From x" or ">From x" in front of a message; it is not part of it, as Postfix has it
 */
#ifndef MXHOOK_MAIL_FIELDS_H
#define MXHOOK_MAIL_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a message's own header block: the server refuses one that has more (552 5.3.4), and nobody reads
 * further. No honest message comes near; checking costs time with the product of fields and
 * signatures. */
#define HEADER_MAX_BYTES  (256u << 10)
#define HEADER_MAX_FIELDS 1000u

#define FIELD_MAX_NAME   998u        /* bytes, and of the space before its colon; else: no field */
#define HEADER_MAX_STRAY (16u << 10) /* bytes in a row; where there are more, the body has begun */

/* --- A block, line by line --- */

enum header_line {
    HEADER_FIELD, /* a field begins */
    HEADER_MORE,  /* the rest of the field before */
    HEADER_STRAY, /* of no field */
    HEADER_END,   /* not of the block: `body` says where the body begins, maybe before this line */
};

struct header_reader {
    bool message;  /* a message's own header, not a part's */
    bool begun;    /* a line was read */
    bool in_stray; /* the last line was a stray one, or goes on with one */
    bool ended;
    bool mbox;   /* there was an mbox line */
    bool strays; /* there were stray lines, and fields behind them */
    size_t fields;
    uint64_t stray; /* where the last stray lines begin */
    /* Offsets. After the end: */
    uint64_t begin, end; /* of the first field; of what is not a field's any more */
    uint64_t body;
    uint64_t strict_end, strict_body; /* the same to who signs */
};

/* A block that begins at `offset`; `message`: it is a message's own. */
void header_reader_init(struct header_reader *reader, uint64_t offset, bool message);

/* The next line, at `offset`: its first bytes, FIELD_MAX_NAME + 2 of them or all, with or without its
 * line end; what follows of a longer one is not asked for. Not to be called after HEADER_END. */
enum header_line header_reader_next(struct header_reader *reader, const char *line, size_t size,
                                    uint64_t offset);

/* The data end at `offset`, or a boundary (RFC 2046) begins there. */
void header_reader_finish(struct header_reader *reader, uint64_t offset);

/* Is it over HEADER_MAX_BYTES or HEADER_MAX_FIELDS? After the end. */
bool header_reader_is_too_large(const struct header_reader *reader);

/* --- A block's fields --- */

struct field {
    const char *name; /* as it stood; not NUL-terminated */
    size_t name_size;
    /* Raw: folded, without white space around it and without the last line end */
    const char *value;
    size_t value_size;
};

/* Reads the field at or after *at and moves *at behind it; false at the end of the block, which is
 * what stands in [begin, end) of its reader. */
bool field_next(const char *block, size_t size, size_t *at, struct field *field);

bool field_is(const struct field *field, const char *name); /* in any case */

#endif
