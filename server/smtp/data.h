/*
 * data.h - finds the end of a message in DATA, and undoes dot-stuffing (RFC 5321 section 4.5.2).
 *
 * Only CRLF "." CRLF ends it. Somebody else on the way may also take LF "." LF, CR "." CR and their
 * mixtures for the end, and what follows for commands ("SMTP smuggling"). So a line that is a lone
 * "." with any other line end before or after it marks the message, which is then refused at its
 * real end. CR and LF alone elsewhere are passed on as they are.
 */
#ifndef MXHOOK_SMTP_DATA_H
#define MXHOOK_SMTP_DATA_H

#include <stdbool.h>
#include <stddef.h>

enum data_state {
    DATA_TEXT,    /* anywhere that no dot begins a line */
    DATA_DOT,     /* CRLF "." was read, the dot held back */
    DATA_DOT_CR,  /* CRLF "." CR */
    DATA_ODD_DOT, /* a bare CR or LF, then "." */
    DATA_END,
};

struct data_scanner {
    enum data_state state;
    char last[2];   /* the two bytes before what comes next */
    bool smuggling; /* a false end was seen */
};

/* Where the message's bytes go: few calls with many bytes. */
struct data_sink {
    void (*write)(void *context, const char *bytes, size_t size);
    void *context;
};

/* For a message that begins: the start of its data is the start of a line. */
void data_scanner_init(struct data_scanner *scanner);

/* Reads a piece; returns how many bytes of it belong to the message, its end included. After the
 * end the state is DATA_END. What was written of a message with `smuggling` set is of no use. */
size_t data_scan(struct data_scanner *scanner, const char *bytes, size_t size,
                 const struct data_sink *sink);

#endif
