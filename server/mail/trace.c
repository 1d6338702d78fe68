#include "trace.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "date.h"
#include "provenance.h"

#define LINE_LENGTH 78 /* RFC 5322 section 2.1.1 */

/* ---- Writing ---- */

/* White space is where a line may be folded; that in a quoted string may be, too. */
static int write_folded(struct spill *out, const char *name, const char *value)
{
    size_t column = strlen(name) + 1;
    int code = spill_write(out, name, strlen(name));
    if (code == 0)
        code = spill_write(out, ":", 1);
    while (code == 0 && *(value += strspn(value, " "))) {
        size_t size = strcspn(value, " ");
        bool fold = column + 1 + size > LINE_LENGTH && column > strlen(name) + 1;
        code = spill_write(out, fold ? "\r\n\t" : " ", fold ? 3 : 1);
        if (code == 0)
            code = spill_write(out, value, size);
        column = (fold ? 8 : column + 1) + size;
        value += size;
    }
    return code == 0 ? spill_write(out, "\r\n", 2) : code;
}

/* What the client called itself, with nothing in it that could end the clause. */
static void clean_helo(const char *helo, char *clean, size_t size)
{
    size_t used = 0;
    for (; *helo && used < size - 1; helo++)
        clean[used++] = isalnum((unsigned char)*helo) || strchr("-._:[]", *helo) ? *helo : '?';
    clean[used] = 0;
    if (used == 0)
        snprintf(clean, size, "unknown");
}

/* RFC 3848, RFC 6531 section 4.3 */
static void with_protocol(const struct envelope *envelope, char protocol[16])
{
    const char *base = envelope->smtputf8 ? "UTF8SMTP" : envelope->esmtp ? "ESMTP" : "SMTP";
    snprintf(protocol, 16, "%s%s%s", base, envelope->tls ? "S" : "", envelope->user ? "A" : "");
}

static int write_received(const struct transaction *t, const char *recipient, const char *hostname,
                          struct spill *out)
{
    const struct envelope *envelope = &t->envelope;
    char value[2048], helo[260], protocol[16], date[DATE_SIZE];
    clean_helo(envelope->helo ? envelope->helo : "", helo, sizeof helo);
    with_protocol(envelope, protocol);
    snprintf(value, sizeof value, "from %s ([%s%s]) by %s (mxhook %s) with %s id %s for <%s>; %s",
             helo, strchr(envelope->client_ip, ':') ? "IPv6:" : "", envelope->client_ip, hostname,
             MXHOOK_VERSION, protocol, t->id, recipient, date_write(t->received_ms / 1000, date));
    return write_folded(out, "Received", value);
}

int trace_write(const struct transaction *t, const char *recipient, const char *hostname,
                struct spill *out)
{
    struct header_list fields = {0};
    struct arena *arena = arena_new();
    int code =
        arena ? provenance_fields(&t->envelope, recipient, hostname, arena, &fields) : -ENOMEM;
    for (size_t i = 0; i < fields.count && code == 0; i++)
        code = write_folded(out, fields.items[i].name, fields.items[i].value);
    if (code == 0)
        code = write_received(t, recipient, hostname, out);
    header_list_free(&fields);
    arena_free(arena);
    return code;
}

/* ---- Loops ---- */

static bool is_same_address(const struct header *header, const char *recipient)
{
    size_t size = strlen(recipient);
    return header->value_size == size && strncasecmp(header->value, recipient, size) == 0;
}

const char *trace_loop(const struct message *message, const char *recipient)
{
    size_t hops = 0;
    for (size_t i = 0; i < message->headers.count; i++) {
        const struct header *header = &message->headers.items[i];
        if (strcasecmp(header->name, "Delivered-To") == 0 && is_same_address(header, recipient))
            return "Mail loop: it was delivered to this recipient before";
        if (strcasecmp(header->name, "Received") == 0 && ++hops > TRACE_HOPS_MAX)
            return "Mail loop: too many hops";
    }
    return NULL;
}
