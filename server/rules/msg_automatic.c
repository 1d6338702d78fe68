#include "msg_automatic.h"

#include <ctype.h>
#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ruleset.h"
#include "state.h"
#include "view.h"

#define STATUS_MAX 65536 /* bytes of a delivery status, and of the message that it is about */

/* ---- Which kind ---- */

static const char *value_of(const struct message *message, const char *name)
{
    size_t i = header_list_find(&message->headers, name, 0);
    return i < message->headers.count ? message->headers.items[i].value : "";
}

/* Does the value begin with that word, in any case, and no longer one? */
static bool is_word(const char *value, const char *word)
{
    size_t size = strlen(word);
    value += strspn(value, " \t");
    return strncasecmp(value, word, size) == 0 && (!value[size] || strchr(" \t;,(", value[size]));
}

static bool is_report(const struct message *message, const char *type)
{
    const char *value = value_of(message, "Content-Type");
    const char *found =
        is_word(value, "multipart/report") ? strcasestr(value, "report-type") : NULL;
    if (!found)
        return false;
    found += strlen("report-type");
    found += strspn(found, " \t=\"");
    return !type || is_word(found, type) ||
           (strncasecmp(found, type, strlen(type)) == 0 && found[strlen(type)] == '"');
}

/* What a field says; the first row that fits answers. NULL as a word: any; "no" and "none" never. */
static const struct row {
    const char *header, *word, *kind;
} rows[] = {
    {"X-Failed-Recipients", NULL, "bounce"}, /* Exim's, which has no multipart/report otherwise */
    {"Auto-Submitted", "auto-replied", "reply"},
    {"Auto-Submitted", NULL, "report"},
    {"Precedence", "auto_reply", "reply"},
    {"List-Id", NULL, "list"},
    {"Precedence", "list", "list"},
    {"Precedence", "bulk", "list"},
    {"Precedence", "junk", "list"},
    {"X-Auto-Response-Suppress", NULL, "reply"},
};

static bool fits(const struct row *row, const char *value)
{
    if (!*value || is_word(value, "no") || is_word(value, "none"))
        return false;
    return !row->word || is_word(value, row->word);
}

/* The kind, or NULL; and why. */
static const char *classify(const struct run *run, char *why, size_t size)
{
    const struct message *message = run->input->message;
    if (is_report(message, NULL)) {
        snprintf(why, size, "Content-Type: %s", value_of(message, "Content-Type"));
        return is_report(message, "delivery-status") ? "bounce" : "report";
    }
    bool null_sender = !*run->input->transaction->envelope.sender;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *value = value_of(message, rows[i].header);
        if (!fits(&rows[i], value))
            continue;
        /* notifications of failures come like that too, from servers that write their own */
        if (null_sender && strcmp(rows[i].kind, "reply") != 0)
            break;
        snprintf(why, size, "%s: %s", rows[i].header, value);
        return rows[i].kind;
    }
    if (!null_sender)
        return NULL;
    snprintf(why, size, "null sender");
    return "bounce";
}

void msg_push_automatic(lua_State *L, struct run *run)
{
    char why[256];
    lua_pushstring(L, classify(run, why, sizeof why));
}

void msg_push_automatic_reason(lua_State *L, struct run *run)
{
    char why[256];
    lua_pushstring(L, classify(run, why, sizeof why) ? why : NULL);
}

/* ---- Delivery status ---- */

struct content {
    struct state *state;
    size_t size;
};

static int add_content(void *context, const char *bytes, size_t size)
{
    struct content *content = context;
    if (size > STATUS_MAX - content->size)
        size = STATUS_MAX - content->size;
    char *scratch = state_scratch(content->state, content->size + size + 1);
    if (!scratch)
        return -ENOMEM;
    memcpy(scratch + content->size, bytes, size);
    content->size += size;
    scratch[content->size] = '\0';
    return content->size < STATUS_MAX ? 0 : -ECANCELED;
}

/* The beginning of the first part of one of these types; NULL: there is none. Until the run ends, or
 * the scratch is used again. */
static const char *read_part(lua_State *L, const struct message *message, const char *const *types)
{
    struct content content = {state_of(L), 0};
    for (size_t i = 0; i < message->part_count; i++)
        for (size_t j = 0; types[j]; j++) {
            if (strcmp(message->parts[i].type, types[j]) != 0)
                continue;
            int code = part_read_content(message, &message->parts[i], add_content, &content);
            if (code != 0 && code != -ECANCELED)
                luaL_error(L, "the delivery status cannot be read: %s", strerror(-code));
            return content.size > 0 ? content.state->scratch : NULL;
        }
    return NULL;
}

static const char *next_line(const char *line)
{
    const char *end = strchr(line, '\n');
    return end ? end + 1 : line + strlen(line);
}

/* Appends a line's text, without what is white at its ends. */
static void add_line(luaL_Buffer *text, const char *line)
{
    size_t size = strcspn(line, "\r\n");
    while (size > 0 && (*line == ' ' || *line == '\t'))
        line++, size--;
    while (size > 0 && (line[size - 1] == ' ' || line[size - 1] == '\t'))
        size--;
    luaL_addlstring(text, line, size);
}

static bool is_blank(const char *line)
{
    line += strspn(line, " \t\r");
    return !*line || *line == '\n';
}

/* Pushes the value of the first field of that name, its folded lines joined by a blank; false: there is
 * none before the blank line that ends a message's header, and the fields of a recipient. */
static bool push_field(lua_State *L, const char *text, const char *name)
{
    size_t size = strlen(name);
    luaL_Buffer value;
    for (; *text && !is_blank(text); text = next_line(text)) {
        if (strncasecmp(text, name, size) != 0 || text[size] != ':')
            continue;
        luaL_buffinit(L, &value);
        add_line(&value, text + size + 1);
        for (text = next_line(text); *text == ' ' || *text == '\t'; text = next_line(text)) {
            luaL_addchar(&value, ' ');
            add_line(&value, text);
        }
        luaL_pushresult(&value);
        return true;
    }
    return false;
}

/* The same into the table on top, without "rfc822;" before it (RFC 3464 section 2.1.2), and without
 * angle brackets. */
static void set_field(lua_State *L, const char *field, const char *text, const char *name,
                      bool typed)
{
    if (!text || !push_field(L, text, name))
        return;
    size_t size;
    const char *value = lua_tolstring(L, -1, &size), *end = value + size;
    const char *semicolon = typed ? strchr(value, ';') : NULL;
    if (semicolon)
        value = semicolon + 1 + strspn(semicolon + 1, " \t");
    if (*value == '<' && end[-1] == '>')
        value++, end--;
    lua_pushlstring(L, value, (size_t)(end - value));
    lua_setfield(L, -3, field);
    lua_pop(L, 1);
}

/* The table's field, up to a blank or a comment, in lower case (RFC 3464 sections 2.3.3 and 2.3.4). */
static void keep_word(lua_State *L, const char *field)
{
    luaL_Buffer word;
    lua_getfield(L, -1, field);
    const char *value = lua_tostring(L, -1);
    if (value) {
        luaL_buffinit(L, &word);
        for (const char *p = value; *p && !strchr(" \t(;", *p); p++)
            luaL_addchar(&word, (char)tolower((unsigned char)*p));
        luaL_pushresult(&word);
        lua_setfield(L, -3, field);
    }
    lua_pop(L, 1);
}

static bool has_field(lua_State *L, const char *text, const char *name)
{
    bool has = push_field(L, text, name);
    if (has)
        lua_pop(L, 1);
    return has;
}

static const char *skip_blank_lines(const char *text)
{
    while (*text && is_blank(text))
        text = next_line(text);
    return text;
}

/* The fields of the first recipient: they stand behind those of the message, and a blank line before
 * those of the next (RFC 3464 section 2.1). All, where none is told of. */
static const char *first_recipient(lua_State *L, const char *status)
{
    const char *text = skip_blank_lines(status);
    while (*text && !has_field(L, text, "Final-Recipient") &&
           !has_field(L, text, "Original-Recipient")) {
        while (*text && !is_blank(text))
            text = next_line(text);
        text = skip_blank_lines(text);
    }
    return *text ? text : skip_blank_lines(status);
}

void msg_push_bounce(lua_State *L, struct run *run)
{
    static const char *const fields[] = {"recipient",  "action",     "status",
                                         "diagnostic", "message_id", NULL};
    static const char *const status_types[] = {"message/delivery-status",
                                               "message/global-delivery-status", NULL};
    static const char *const original_types[] = {"message/rfc822", "text/rfc822-headers",
                                                 "message/global", "message/global-headers", NULL};
    const struct message *message = run->input->message;
    const char *status =
        is_report(message, "delivery-status") ? read_part(L, message, status_types) : NULL;
    if (!status) {
        lua_pushnil(L);
        return;
    }
    lua_createtable(L, 0, 5);
    status = first_recipient(L, status);
    set_field(L, "recipient", status, "Original-Recipient", true);
    set_field(L, "recipient", status, "Final-Recipient", true);
    set_field(L, "action", status, "Action", false);
    keep_word(L, "action");
    set_field(L, "status", status, "Status", false);
    keep_word(L, "status");
    set_field(L, "diagnostic", status, "Diagnostic-Code", true);
    set_field(L, "message_id", read_part(L, message, original_types), "Message-ID", false);
    view_push(L, "msg.bounce", fields);
}
