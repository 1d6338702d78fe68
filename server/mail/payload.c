#include "payload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "address.h"
#include "json.h"

/* --- Head --- */

/* These are arrays however often they stand; so are all ARC-*. */
static bool is_always_array(const char *name)
{
    static const char *const names[] = {"Received", "Received-SPF", "DKIM-Signature",
                                        "Authentication-Results"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return strncasecmp(name, "ARC-", 4) == 0;
}

/* A field and where it stood, so that sorting brings those of one name together, in order. */
struct header_entry {
    const struct header *header;
    size_t group_size; /* of the first of a name; 0 for the others */
    size_t next;       /* index of the next of the same name */
};

static int by_name(const void *a, const void *b)
{
    const struct header *x = (*(const struct header_entry *const *)a)->header;
    const struct header *y = (*(const struct header_entry *const *)b)->header;
    int order = strcasecmp(x->name, y->name);
    return order ? order : x < y ? -1 : x > y;
}

/* Finds which fields have the same name, in n log n steps. */
static int group(const struct header_list *headers, struct header_entry *entries)
{
    struct header_entry **sorted = malloc(headers->count * sizeof *sorted);
    if (!sorted)
        return -ENOMEM;
    for (size_t i = 0; i < headers->count; i++) {
        entries[i] = (struct header_entry){.header = &headers->items[i]};
        sorted[i] = &entries[i];
    }
    qsort(sorted, headers->count, sizeof *sorted, by_name);
    struct header_entry *first = NULL, *last = NULL;
    for (size_t i = 0; i < headers->count; i++) {
        struct header_entry *entry = sorted[i];
        if (first && strcasecmp(first->header->name, entry->header->name) == 0)
            last->next = (size_t)(entry - entries);
        else
            first = entry;
        first->group_size++;
        last = entry;
    }
    free(sorted);
    return 0;
}

static void write_group(struct json *json, const struct header_entry *entries,
                        const struct header_entry *first)
{
    bool array = first->group_size > 1 || is_always_array(first->header->name);
    const struct header_entry *entry = first;
    json_key(json, first->header->name);
    if (array)
        json_begin_array(json);
    for (size_t left = first->group_size; left > 0; left--) {
        json_string(json, entry->header->value, entry->header->value_size);
        entry = &entries[entry->next];
    }
    if (array)
        json_end_array(json);
}

int payload_write_head(const struct header_list *headers, struct spill *out)
{
    struct json json;
    struct header_entry *entries = NULL;
    if (headers->count > 0) {
        entries = malloc(headers->count * sizeof *entries);
        int status = entries ? group(headers, entries) : -ENOMEM;
        if (status < 0) {
            free(entries);
            return status;
        }
    }
    json_init(&json, out);
    json_begin_object(&json);
    json_key(&json, "headers");
    json_begin_object(&json);
    for (size_t i = 0; i < headers->count; i++)
        if (entries[i].group_size > 0)
            write_group(&json, entries, &entries[i]);
    json_end_object(&json);
    free(entries);
    return json_finish(&json);
}

/* --- Tail --- */

static void write_mailbox(struct json *json, const char *name, const char *email)
{
    json_begin_object(json);
    json_pair(json, "name", name);
    json_pair(json, "email", email);
    json_end_object(json);
}

static void write_addresses(struct json *json, const struct message *message)
{
    const struct mailbox none = {0};
    const struct mailbox *from = address_first(&message->from);
    json_key(json, "to");
    json_begin_array(json);
    for (size_t i = 0; i < message->to.count; i++)
        write_mailbox(json, message->to.items[i].name,
                      message->to.items[i].email ? message->to.items[i].email : "");
    json_end_array(json);
    json_key(json, "from");
    from = from ? from : &none;
    write_mailbox(json, from->name, from->email);
}

static void write_fields(struct json *json, const struct message *message,
                         const struct envelope *envelope)
{
    json_pair(json, "subject", message->subject);
    json_pair(json, "message-id", message->message_id);
    json_pair(json, "date", message->date);
    json_key(json, "return-path");
    write_mailbox(json, NULL, envelope->sender ? envelope->sender : "");
    json_pair_number(json, "timestamp", message->timestamp);
}

static int write_text(struct json *json, const struct message *message, enum part_role role)
{
    json_key(json, role == PART_TEXT ? "text" : "html");
    if (!message_has_role(message, role)) {
        json_null(json);
        return 0;
    }
    json_begin_string(json);
    int status = message_read_text(message, role, json_valid_sink, json);
    json_end_string(json);
    return status;
}

static int write_part(struct json *json, const struct message *message, const struct part *part)
{
    json_begin_object(json);
    json_pair(json, "type", part->type);
    json_pair(json, "name", part->name);
    json_key(json, "content");
    json_begin_base64(json);
    int status = part_read_content(message, part, json_base64_sink, json);
    json_end_base64(json);
    json_key(json, part->role == PART_INLINE ? "cid" : "encoding");
    json_text(json, part->role == PART_INLINE ? part->cid : "binary");
    json_end_object(json);
    return status;
}

static int write_parts(struct json *json, const struct message *message, enum part_role role)
{
    int status = 0;
    json_key(json, role == PART_INLINE ? "inlines" : "attachments");
    json_begin_array(json);
    for (size_t i = 0; i < message->part_count && status == 0; i++)
        if (message->parts[i].role == role)
            status = write_part(json, message, &message->parts[i]);
    json_end_array(json);
    return status;
}

int payload_write_tail(const struct message *message, const struct envelope *envelope,
                       struct spill *out)
{
    struct json json;
    json_init(&json, out);
    json_resume_object(&json);
    write_addresses(&json, message);
    write_fields(&json, message, envelope);
    int status = write_text(&json, message, PART_TEXT);
    if (status == 0)
        status = write_text(&json, message, PART_HTML);
    if (status == 0)
        status = write_parts(&json, message, PART_INLINE);
    if (status == 0)
        status = write_parts(&json, message, PART_ATTACHMENT);
    json_end_object(&json);
    int finished = json_finish(&json);
    return status < 0 ? status : finished;
}
