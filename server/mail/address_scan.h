/*
 * address_scan.h - for address.c, which reads characters, and address_entry.c, which makes mailboxes of them.
 *
 * phrase  words, quoted or not, before an address: "Ann Lee" of "Ann Lee <a@b.example>"
 * entry   what stands between two commas
 */
#ifndef MXHOOK_MAIL_ADDRESS_SCAN_H
#define MXHOOK_MAIL_ADDRESS_SCAN_H

#include <stdbool.h>

#include "address_list.h"
#include "buffer.h"

/* One value while it is read. An entry is what stands between two commas. */
struct address_scan {
    struct address_reader *reader;
    struct arena *arena;
    const char *text, *end;
    const char *last_quote, *last_semicolon, *last_word; /* past the last of each */
    const char *charset;                                 /* of raw 8-bit text: charset_guess()'s */
    bool no_quotes;                                      /* one was never closed */
    bool at_sign;                                        /* there is one in `bare` */
    bool no_comments;                                    /* one was never closed */
    bool decoded;        /* the text comes out of an encoded word or quotes */
    bool angles;         /* the entry has an address in angle brackets */
    bool before_is_word; /* what is in `before` is one word without quotes */
    /* Reads the text to its end, and frees the buffers: for one that stands inside of another. 0 or -ENOMEM. */
    int (*read)(struct address_scan *scan);
    struct buffer phrase; /* the entry's words, quotes taken away, encoded words as they stood */
    struct buffer bare;   /* the same without what angles had, quotes kept: for bare addresses */
    struct buffer comment;
    struct buffer before; /* phrases without an address before: "Doe" of "Doe, John <a@b>" */
};

/* All of these: 0 or -ENOMEM. */

/* A mailbox that ends with an address in angles. */
int address_add_angle(struct address_scan *scan, const char *text, size_t size);

/* "<a@b> Ann": the name stands behind. */
int address_name_behind(struct address_scan *scan);

/* At a comma. */
int address_end_entry(struct address_scan *scan);

/* Where what follows does not make a name of the phrases in `before`: they are a mailbox of their own, or hold some. */
int address_flush(struct address_scan *scan);

#endif
