/*
 * parameter.h - the parameters after the path of MAIL and RCPT (RFC 5321 section 4.1.2).
 *
 * To add one: a row in parameter.c's table, and a function there.
 */
#ifndef MXHOOK_SMTP_PARAMETER_H
#define MXHOOK_SMTP_PARAMETER_H

#include <stdbool.h>
#include <stdint.h>

struct mail_parameters {
    uint64_t size;    /* SIZE= (RFC 1870); 0 where not given; UINT64_MAX also stands for more */
    bool eight_bit;   /* BODY=8BITMIME (RFC 6152) or BINARYMIME */
    bool binary;      /* BODY=BINARYMIME (RFC 3030) */
    bool smtputf8;    /* SMTPUTF8 (RFC 6531) */
    bool require_tls; /* REQUIRETLS (RFC 8689) */
};

enum parameter_result {
    PARAMETER_OK,
    PARAMETER_BAD,     /* a value that it cannot have */
    PARAMETER_UNKNOWN, /* not ours */
};

/* Which parameter the result is about: a part of the text. */
struct parameter_name {
    const char *text;
    int length;
};

/* `text` is what follows the path: "" or parameters, blanks before each. Of one that is given twice
 * the last counts. RET and ENVID (RFC 3461) and AUTH (RFC 4954) are taken whatever their values,
 * since these mean nothing to us: we do not announce DSN, so that the client's server sends the
 * reports that are asked for itself, and we trust nobody to say who a message is from. */
enum parameter_result mail_parameters_parse(const char *text, struct mail_parameters *out,
                                            struct parameter_name *name);
/* NOTIFY and ORCPT (RFC 3461): the same. */
enum parameter_result rcpt_parameters_parse(const char *text, struct parameter_name *name);

#endif
