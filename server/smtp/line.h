/*
 * line.h - puts command lines together (RFC 5321 section 2.3.8: only CRLF ends one).
 *
 * A line with a fault is reported when its first fault is seen, and all that follows, up to the next
 * CRLF, is swallowed without being kept: so nothing of it is taken for a command. Where bare LFs
 * part it into lines, each of them is reported, so that a client that ends its lines so is not left
 * waiting.
 */
#ifndef MXHOOK_SMTP_LINE_H
#define MXHOOK_SMTP_LINE_H

#include <stdbool.h>
#include <stddef.h>

#define LINE_MAX_OCTETS 512 /* RFC 5321 section 4.5.3.1.4, CRLF included */
/* What the parameters of MAIL may add: SIZE 26 (RFC 1870), BODY 17 (RFC 6152), SMTPUTF8 10 (RFC
 * 6531), RET 9 and ENVID 107 (RFC 3461), AUTH 506 (RFC 4954); those of RCPT: ORCPT 507 and NOTIFY 29 (RFC 3461) */
#define LINE_EXTRA_MAIL (26 + 17 + 10 + 9 + 107 + 506)
#define LINE_EXTRA_RCPT (507 + 29)
#define LINE_MAX_EXTRA  LINE_EXTRA_MAIL /* the most */

struct line_reader {
    size_t size;
    bool cr;         /* the last byte was CR, not yet in bytes */
    bool swallowing; /* until CRLF */
    bool reported;   /* what is swallowed up to the next line end */
    char bytes[LINE_MAX_OCTETS + LINE_MAX_EXTRA - 2 + 1]; /* without CRLF; NUL-terminated */
};

enum line_result {
    LINE_MORE, /* all used, no line yet */
    LINE_COMPLETE,
    LINE_BARE_CR,
    LINE_BARE_LF,
    LINE_NUL,
    LINE_TOO_LONG, /* longer than any command may be */
};

void line_init(struct line_reader *line); /* an empty one */

/* Takes bytes up to the next result; *used says how many. After any but LINE_MORE, what was kept of the line stays
 * until the next call, which begins a new one: all of it after LINE_COMPLETE, else what was before the fault, and
 * nothing where that was told of before. */
enum line_result line_take(struct line_reader *line, const char *bytes, size_t size, size_t *used);

#endif
