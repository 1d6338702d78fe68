/*
 * message.h - a message (RFC 5322, MIME) as a plain C struct.
 *
 * part         a leaf of the MIME tree, or an attached message, which stays one part
 * role         what the payload makes of a part: body text, body HTML, inline, attachment
 * content      a part's bytes with the transfer encoding removed
 *
 * structure.c finds the parts, once; contents stay where they are, in the spill that holds the
 * message, and are decoded in pieces when somebody asks (content.c). Which part has which role is
 * decided in role.c. Of GMime only the list of transfer encodings, and of their names, is used.
 */
#ifndef MXHOOK_MAIL_MESSAGE_H
#define MXHOOK_MAIL_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/arena.h"
#include "../base/error.h"
#include "../base/spill.h"
#include "fields.h"
#include "header.h"
#include "sink.h"

/* What of a message is held in memory has limits; contents have none, as they stay in the spill. */
#define MESSAGE_MAX_DEPTH 100   /* multiparts in multiparts; a deeper one is a leaf */
#define MESSAGE_MAX_PARTS 10000 /* what comes after is one attachment, as it stands */
#define PART_MAX_NAME     1024  /* bytes of a file name or Content-ID; cut there */

struct mailbox {
    const char *name;  /* decoded; NULL where there is none */
    const char *email; /* "user@host"; as written, never converted; NULL where there is none */
};

struct mailbox_list {
    struct mailbox *items;
    size_t count;
};

enum part_role { PART_TEXT, PART_HTML, PART_INLINE, PART_ATTACHMENT };

enum part_disposition {
    DISPOSITION_NONE, /* or one that nobody knows */
    DISPOSITION_INLINE,
    DISPOSITION_ATTACHMENT,
};

struct part {
    enum part_role role;
    const char *type;    /* "image/png", lower case */
    const char *charset; /* as declared; NULL where not */
    const char *name;    /* file name, decoded, valid UTF-8; NULL where there is none */
    const char *cid;     /* Content-ID without angle brackets; NULL where there is none */
    enum part_disposition disposition;
    bool related;        /* inside a multipart/related (RFC 2387) */
    int encoding;        /* a GMimeContentEncoding */
    uint64_t start, end; /* where the encoded content stands in the message's spill */
};

/* What was put right to read a message: other programs may read it otherwise. */
enum repair {
    REPAIR_MBOX_LINE = 1,     /* a "From x" line in front was passed over */
    REPAIR_STRAY_LINES = 2,   /* lines among header fields that are none were passed over */
    REPAIR_CONTENT_TYPES = 4, /* of several Content-Type fields one was chosen */
    REPAIR_BOUNDARY = 8,      /* the boundary that stands there is not the one that was declared */
};
#define REPAIRS 4

/* The name of repair 1 << index, as rules see it: "mbox-line". */
const char *message_repair_name(unsigned index);

struct message {
    struct arena *arena;        /* owns every string and array here */
    struct spill *data;         /* a reference */
    struct header_list headers; /* the message's own, all of them */
    struct mailbox_list from, to, cc;
    const char *subject;    /* "" where there is none */
    const char *message_id; /* without angle brackets; NULL */
    const char *date;       /* as written; NULL */
    int64_t timestamp;      /* seconds, from Date, or of receipt */
    struct part *parts;     /* in the order of the message */
    size_t part_count;
    unsigned repairs; /* of enum repair */
    bool too_large; /* its header is over a limit of fields.h, and read up to that: to be refused */
};

/* What is said of one that is too large; both limits are arguments (%u). */
#define MESSAGE_TOO_LARGE "The header has more than %u bytes or %u fields"

/* Call once, before the first message_parse(), on the main thread. */
void message_init(void);

/* Parses. `data` must be complete; the message takes a reference of its own. Every input is a
 * message: this fails only with -ENOMEM or on an error from reading the file. Any thread but the loop: it costs CPU.
 * *out is freed by message_free(), which takes NULL. */
int message_parse(struct spill *data, int64_t received_seconds, struct message **out,
                  struct error *err);
void message_free(struct message *message); /* any thread */

/* Gives a part's content, in pieces of at most PIECE_MAX bytes. The same from several threads at
 * once is fine. */
int part_read_content(const struct message *message, const struct part *part, bytes_sink sink,
                      void *context);

/* Gives all the text parts with that role (PART_TEXT or PART_HTML) in order, joined by a newline, as
 * valid UTF-8, from whatever charset was declared (charset.h). CRLF, the line end of text in MIME
 * (RFC 2046 section 4.1.1), is "\n" here; all else is as it was written, format=flowed and
 * signatures included.
 * Nothing is given where there is none; message_has_role() tells that from an empty one. */
int message_read_text(const struct message *message, enum part_role role, bytes_sink sink,
                      void *context);
/* Has any part that role? */
bool message_has_role(const struct message *message, enum part_role role);

#endif
