#include "provenance.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../scan/result.h"
#include "payload.h"

#define DELIVERED_TO "Delivered-To"

/* --- What is added --- */

static int add(struct header_list *out, struct arena *arena, const char *name, const char *format,
               ...) __attribute__((format(printf, 4, 5)));

static int add(struct header_list *out, struct arena *arena, const char *name, const char *format,
               ...)
{
    va_list args;
    va_start(args, format);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *value = size >= 0 ? arena_alloc(arena, (size_t)size + 1) : NULL;
    if (!value)
        return -ENOMEM;
    va_start(args, format);
    vsnprintf(value, (size_t)size + 1, format, args);
    va_end(args);
    return header_list_append(out, name, value, (size_t)size);
}

static int add_text(struct header_list *out, struct arena *arena, const char *name,
                    const char *value)
{
    size_t size = strlen(value);
    const char *copy = arena_strndup(arena, value, size);
    return copy ? header_list_append(out, name, copy, size) : -ENOMEM;
}

/* What the client called itself, as RFC 7208 section 9.1 has a value: a dot-atom, or else quoted.
 * So it cannot pass for more than a name; not even for who splits at each semicolon that has no
 * backslash. */
static char *helo_value(const char *helo, struct arena *arena)
{
    static const char atom[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t size = strlen(helo), used = 0;
    if (size > 0 && strspn(helo, atom) == size)
        return arena_strdup(arena, helo);
    char *quoted = arena_alloc(arena, 2 * size + 3);
    if (!quoted)
        return NULL;
    quoted[used++] = '"';
    for (; *helo; helo++) {
        if (strchr("\"\\;()", *helo))
            quoted[used++] = '\\';
        quoted[used++] = *helo >= ' ' && *helo < 0x7f ? *helo : '?'; /* however char is signed */
    }
    quoted[used++] = '"';
    quoted[used] = 0;
    return quoted;
}

/* What was checked; else the fields say that nothing was: "none" is RFC 8601 section 2.2's word for
 * a message that was not evaluated. */
static int add_received_spf(const struct envelope *envelope, const char *hostname,
                            struct arena *arena, struct header_list *out)
{
    if (envelope->received_spf)
        return add_text(out, arena, "Received-SPF", envelope->received_spf);
    char *helo = helo_value(envelope->helo ? envelope->helo : "", arena);
    bool known = *envelope->client_ip != 0; /* not by a Unix-domain socket */
    if (!helo)
        return -ENOMEM;
    return add(out, arena, "Received-SPF",
               "none (%s: SPF was not checked) receiver=%s; %s%s%shelo=%s;", hostname, hostname,
               known ? "client-ip=" : "", envelope->client_ip, known ? "; " : "", helo);
}

int provenance_fields(const struct envelope *envelope, const char *recipient, const char *hostname,
                      struct arena *arena, struct header_list *out)
{
    static const char service[] = "mxhook " MXHOOK_VERSION;
    int status = header_list_append(out, "X-Forwarding-Service", service, sizeof service - 1);
    if (status == 0)
        status = add_received_spf(envelope, hostname, arena, out);
    if (status == 0)
        status = header_list_append(out, DELIVERED_TO, recipient, strlen(recipient));
    if (status == 0 && envelope->authentication_results)
        status = add_text(out, arena, "Authentication-Results", envelope->authentication_results);
    else if (status == 0)
        status = add(out, arena, "Authentication-Results", "%s; none", hostname);
    const struct header_list *scanned = envelope->scan ? &envelope->scan->fields : NULL;
    for (size_t i = 0; scanned && i < scanned->count && status == 0; i++)
        status = add_text(out, arena, scanned->items[i].name, scanned->items[i].value);
    return status;
}

void provenance_address(struct header_list *fields, const char *recipient)
{
    struct header *field = &fields->items[header_list_find(fields, DELIVERED_TO, 0)];
    field->value = recipient;
    field->value_size = strlen(recipient);
}

int payload_headers(const struct message *message, const struct envelope *envelope,
                    const char *recipient, const struct receiver *receiver, struct arena *arena,
                    struct header_list *out)
{
    *out = (struct header_list){0};
    int status = provenance_fields(envelope, recipient, receiver->hostname, arena, out);
    for (size_t i = 0; i < message->headers.count && status == 0; i++) {
        const struct header *header = &message->headers.items[i];
        if (!provenance_is_reserved(header, receiver))
            status = header_list_append(out, header->name, header->value, header->value_size);
    }
    if (status < 0)
        header_list_free(out);
    return status;
}
