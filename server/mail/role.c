/*
 * Which part is what. The first rule that fits decides:
 *
 * 1. text and html: a text/plain or text/html part that has no file name and no Content-Disposition
 *    "attachment". A disposition that nobody knows does not make a body an attachment. Where there
 *    is none at all, a file name does not matter, if there is but one such part of its type.
 * 2. An attached message (message/...) is an attachment, whatever else is said of it.
 * 3. inlines: a part with Content-Disposition "inline" that is not a body text.
 * 4. inlines: a part with a Content-ID, where the message has an HTML body that can refer to it: it
 *    stands inside a multipart/related, or is not marked as an attachment, or the HTML does refer
 * to it
 *    (`cid:`, RFC 2392).
 * 5. attachments: all others. Calendar parts, signatures, delivery reports, TNEF, images without a
 *    name.
 *
 * A part without a usable Content-Type is text/plain (RFC 2045 section 5.2).
 */
#include "role.h"

#include <string.h>

#include "references.h"

static bool is_body(const struct part *part, const char *type)
{
    return strcmp(part->type, type) == 0 && !part->name &&
           part->disposition != DISPOSITION_ATTACHMENT;
}

static enum part_role role_of(const struct part *part)
{
    if (is_body(part, "text/plain"))
        return PART_TEXT;
    if (is_body(part, "text/html"))
        return PART_HTML;
    if (part->disposition == DISPOSITION_INLINE && strncmp(part->type, "message/", 8) != 0)
        return PART_INLINE;
    return PART_ATTACHMENT;
}

/* A text that is the only body is the body, also where somebody gave it a name. */
static void take_named_body(struct message *message, const char *type, enum part_role role)
{
    struct part *only = NULL;
    for (size_t i = 0; i < message->part_count; i++) {
        struct part *part = &message->parts[i];
        if (strcmp(part->type, type) != 0 || part->disposition == DISPOSITION_ATTACHMENT ||
            part->end == part->start)
            continue;
        if (only)
            return;
        only = part;
    }
    if (only)
        only->role = role;
}

int role_assign(struct message *message)
{
    bool candidates = false;
    for (size_t i = 0; i < message->part_count; i++)
        message->parts[i].role = role_of(&message->parts[i]);
    if (!message_has_role(message, PART_TEXT) && !message_has_role(message, PART_HTML)) {
        take_named_body(message, "text/plain", PART_TEXT);
        take_named_body(message, "text/html", PART_HTML);
    }
    if (!message_has_role(message, PART_HTML))
        return 0;
    for (size_t i = 0; i < message->part_count; i++) {
        struct part *part = &message->parts[i];
        if (part->role != PART_ATTACHMENT || !part->cid || strncmp(part->type, "message/", 8) == 0)
            continue;
        if (part->related || part->disposition != DISPOSITION_ATTACHMENT)
            part->role = PART_INLINE;
        else
            candidates = true;
    }
    return candidates ? references_find(message) : 0;
}
