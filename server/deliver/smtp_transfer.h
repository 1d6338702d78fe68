/*
 * smtp_transfer.h - one request on the thread that it has: for smtp.c alone.
 *
 * Blocking.
 */
#ifndef MXHOOK_DELIVER_SMTP_TRANSFER_H
#define MXHOOK_DELIVER_SMTP_TRANSFER_H

#include <curl/curl.h>

#include "smtp.h"

/* A thread's: libcurl's handle, and the connection that is kept for the next request. */
struct carrier { /* all zero but fd: nothing is open yet */
    CURL *easy;
    int fd; /* of the last connection; -1: none */
};

/* Sends it, and fills its result. */
void smtp_transfer(struct carrier *carrier, struct smtp_request *request);
/* Says QUIT, and waits for nobody; another request may follow, on a new connection. */
void carrier_close(struct carrier *carrier);

/* What the server said, line by line, and to which command. */
enum smtp_phase {
    SMTP_CONNECT, /* the greeting is awaited */
    SMTP_EHLO,
    SMTP_STARTTLS,
    SMTP_AUTH,
    SMTP_MAIL,
    SMTP_RCPT,
    SMTP_DATA,
    SMTP_END_OF_DATA,
};

struct smtp_dialogue {
    enum smtp_phase phase;
    int code;              /* of the last reply in this phase; 0: none, or it is not complete */
    bool inside;           /* a reply of several lines goes on */
    bool over;             /* QUIT went out: what is said from here on does not count */
    bool offers_utf8;      /* SMTPUTF8 (RFC 6531) */
    size_t bytes;          /* of all replies */
    char text[REPLY_KEPT]; /* of the last reply, as it came */
    size_t size;
};

/* A command that goes out: "MAIL FROM:<...>\r\n"; others, such as what AUTH goes on with, are
 * ignored. */
void smtp_note_command(struct smtp_dialogue *dialogue, const char *bytes, size_t size);
/* A line of a reply, its line end included. */
void smtp_note_line(struct smtp_dialogue *dialogue, const char *bytes, size_t size);
#define SMTP_COMMAND_SIZE 40
/* " (in reply to RCPT TO)", the command that went out last; "": none has. */
void smtp_name_command(const struct smtp_dialogue *dialogue, char text[SMTP_COMMAND_SIZE]);
/* "550 5.1.1 No such user (in reply to RCPT TO)" without control characters. */
void smtp_describe(const struct smtp_dialogue *dialogue, char *text, size_t size);

#endif
