/*
 * provenance.h - the fields that the server adds: who had the message, and what was checked.
 *
 * reserved     a field that is removed on arrival, since it would pass for one that the server or a
 *              rule has set: the server's own, and what rules.reserved_headers names
 */
#ifndef MXHOOK_MAIL_PROVENANCE_H
#define MXHOOK_MAIL_PROVENANCE_H

#include "../transaction.h"
#include "message.h"

/* This server, as fields name it, and what is reserved here. */
struct receiver {
    const char *hostname;
    char *const *reserved; /* globs over names, in any case */
    size_t reserved_count;
    /* A scanner is asked: X-Spam-Status, X-Spam-Score, X-Spam-Action and X-Virus are ours */
    bool scans;
    /* What it said, and which fields it asks to remove; NULL: not asked */
    const struct scan_result *scan;
};

/* Does this value of an Authentication-Results, raw or decoded, name `hostname` as who added it (RFC
 * 8601 section 2.2)? What cannot be read by that grammar does where the name stands anywhere before
 * the first semicolon, whatever invisible characters are in it. Also true without memory. */
bool provenance_claims(const char *value, size_t size, const char *hostname);

/* Is it to be removed: X-Forwarding-Service and Delivered-To, an Authentication-Results that claims
 * our name, a Received-SPF that has it anywhere but in an address (RFC 7208 section 9.1: in the
 * comment, as the receiver, or as what an earlier client called itself), or one of the list? */
bool provenance_is_reserved(const struct header *header, const struct receiver *receiver);

/* Does the server write fields of that name, in any case, whoever else may? */
bool provenance_writes(const char *name, size_t size);

/* Is a field of that name the scanner's to set, or to remove? */
bool provenance_is_scanners(const char *name, size_t size, const struct receiver *receiver);

/* Appends X-Forwarding-Service, Received-SPF, Delivered-To, Authentication-Results and a scanner's fields. New strings
 * are in `arena`, the recipient is the caller's. 0 or -ENOMEM. */
int provenance_fields(const struct envelope *envelope, const char *recipient, const char *hostname,
                      struct arena *arena, struct header_list *out);

/* Makes fields that begin with those of one recipient those of another, whose string stays the caller's. */
void provenance_address(struct header_list *fields, const char *recipient);

#endif
