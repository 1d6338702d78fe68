#include "rspamd_head.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "../base/log.h"
#include "../deliver/reference.h"

#define FIRST_CAPACITY 512 /* bytes; most heads have less */

/* A larger one in its place; what it held does not stay behind, since that may be a password. */
static int make_room(struct rspamd_head *head, size_t size)
{
    if (size <= head->capacity - head->size)
        return 0;
    size_t capacity = head->capacity ? head->capacity : FIRST_CAPACITY;
    while (size > capacity - head->size)
        capacity *= 2;
    char *grown = malloc(capacity);
    if (!grown)
        return -ENOMEM;
    if (head->text)
        memcpy(grown, head->text, head->size);
    if (head->secret)
        OPENSSL_cleanse(head->text, head->size);
    free(head->text);
    head->text = grown;
    head->capacity = capacity;
    return 0;
}

/* A control character would end the line. */
static char *put(char *at, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i];
    return at + size;
}

/* Nothing for a value that is NULL or empty. */
static int add(struct rspamd_head *head, const char *name, const char *value)
{
    size_t name_size = strlen(name), value_size = value ? strlen(value) : 0;
    if (value_size == 0)
        return 0;
    if (make_room(head, name_size + value_size + 3) != 0)
        return -ENOMEM;
    char *at = put(head->text + head->size, name, name_size);
    at = put(put(at, ": ", 2), value, value_size);
    *at++ = 0;
    head->size = (size_t)(at - head->text);
    head->count++;
    return 0;
}

/* The null reverse-path is "<>". */
static int add_sender(struct rspamd_head *head, const char *sender)
{
    size_t size = sender ? strlen(sender) : 0, before = head->size;
    if (make_room(head, size + sizeof "From: <>") != 0)
        return -ENOMEM;
    char *at = put(head->text + before, "From: <", 7);
    at = put(put(at, sender ? sender : "", size), ">", 1);
    *at++ = 0;
    head->size = (size_t)(at - head->text);
    head->count++;
    return 0;
}

/* A header's name and a colon alone: libcurl leaves out one of its own. It would wait for 100 Continue with a large
 * body, and call the message a form. */
static int leave_out(struct rspamd_head *head)
{
    static const char lines[] = "Expect:\0Content-Type:\0Accept:";
    if (make_room(head, sizeof lines) != 0)
        return -ENOMEM;
    memcpy(head->text + head->size, lines, sizeof lines);
    head->size += sizeof lines;
    head->count += 3;
    return 0;
}

static int add_password(struct rspamd_head *head, const char *password, const char *id)
{
    char buffer[REFERENCE_SIZE];
    const char *value;
    struct error err = {""};
    if (!password)
        return 0;
    int code = 0;
    head->secret = true;
    if (reference_read(password, buffer, &value, &err) == 0)
        code = add(head, "Password", value);
    else
        log_limited(LOG_WARN, "scanner", id, LOG_TEXT("error", err.text));
    OPENSSL_cleanse(buffer, sizeof buffer);
    return code;
}

static int link_lines(struct rspamd_head *head)
{
    if (head->count > head->line_capacity) {
        struct curl_slist *grown = realloc(head->lines, head->count * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        head->lines = grown;
        head->line_capacity = head->count;
    }
    char *at = head->text;
    for (size_t i = 0; i < head->count; i++) {
        head->lines[i] = (struct curl_slist){at, i + 1 < head->count ? &head->lines[i + 1] : NULL};
        at += strlen(at) + 1;
    }
    return 0;
}

/* rspamd's protocol: https://docs.rspamd.com/developers/protocol */
int rspamd_head_write(struct rspamd_head *head, const struct config *config,
                      const struct transaction *transaction, const char *client_name)
{
    const struct envelope *e = &transaction->envelope;
    const char *const values[][2] = {
        {"Queue-Id", transaction->id}, {"IP", e->client_ip}, {"Helo", e->helo},
        {"Hostname", client_name},     {"User", e->user},    {"TLS-Version", e->tls ? "TLS" : NULL},
        {"MTA-Name", config->hostname}};
    rspamd_head_clear(head);
    int code = leave_out(head);
    for (size_t i = 0; i < sizeof values / sizeof *values && code == 0; i++)
        code = add(head, values[i][0], values[i][1]);
    if (code == 0)
        code = add_sender(head, e->sender);
    for (size_t i = 0; i < e->recipient_count && code == 0; i++)
        code = add(head, "Rcpt", e->recipients[i]);
    if (code == 0)
        code = add_password(head, config->scan.password, transaction->id);
    return code == 0 ? link_lines(head) : code;
}

void rspamd_head_clear(struct rspamd_head *head)
{
    if (head->secret)
        OPENSSL_cleanse(head->text, head->size);
    head->size = head->count = 0;
    head->secret = false;
}

void rspamd_head_free(struct rspamd_head *head)
{
    rspamd_head_clear(head);
    free(head->text);
    free(head->lines);
    *head = (struct rspamd_head){0};
}
