#include "author.h"

#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "../base/ascii.h"
#include "../dns/name.h"
#include "../mail/address.h"
#include "../mail/buffer.h"
#include "../mail/words.h"

#define NO_DOMAIN  "From has an address whose domain cannot be looked up"
#define UNREADABLE "From has an address that cannot be read"

#define DOMAIN_MAX (4 * DNS_NAME_MAX) /* bytes of what may be one */

/* --- Domains --- */

static void set_flaw(struct author *author, const char *flaw)
{
    if (!author->flaw)
        author->flaw = flaw;
}

static bool is_known(const struct author *author, const char *domain)
{
    for (size_t i = 0; i < author->count; i++)
        if (strcmp(author->domains[i], domain) == 0)
            return true;
    return false;
}

/* Of a name that can be looked up, beyond ASCII where `wide`. */
static bool is_name_char(unsigned char c, bool wide)
{
    return (wide && c >= 0x80) || c == '-' || c == '_' || c == '.' || (c >= '0' && c <= '9') ||
           ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* 1: it is a name that can be looked up, and is one of the author's now; 0: it is none. -ENOMEM. */
static int add_name(struct author *author, struct arena *arena, const char *text, const char *flaw)
{
    char name[DNS_NAME_MAX + 1];
    if (author->more || ++author->tried > AUTHOR_TRIES_MAX) {
        author->more = true;
        return 1;
    }
    if (!dns_name(text, name))
        return 0;
    for (const char *at = name; *at; at++) /* what a letter of another width stood for */
        if (!is_name_char((unsigned char)*at, false))
            return 0;
    if (name[strspn(name, "0123456789.")] == 0) /* an address */
        return 0;
    if (is_known(author, name))
        return 1;
    if (flaw)
        set_flaw(author, flaw);
    if (author->count == AUTHOR_DOMAINS_MAX) {
        author->more = true;
        return 1;
    }
    author->domains[author->count] = arena_strdup(arena, name);
    return author->domains[author->count++] ? 1 : -ENOMEM;
}

/* Without what cannot stand in a name, which a reader may not be shown; nor dots side by side. */
static int add_joined(struct author *author, struct arena *arena, const char *text, bool wide)
{
    char out[DOMAIN_MAX];
    size_t used = 0;
    for (; *text && used < sizeof out - 1; text++)
        if (is_name_char((unsigned char)*text, wide) &&
            (*text != '.' || (used > 0 && out[used - 1] != '.')))
            out[used++] = *text;
    while (used > 0 && out[used - 1] == '.')
        used--;
    out[used] = 0;
    return add_name(author, arena, out, NULL);
}

/* What stands between the characters that cannot, which a reader may be shown. */
static int add_pieces(struct author *author, struct arena *arena, const char *text, bool wide)
{
    char piece[DOMAIN_MAX];
    int code = 0;
    while (*text && code >= 0 && !author->more) {
        size_t size = 0, dots = strspn(text, ".");
        while (is_name_char((unsigned char)text[dots + size], wide))
            size++;
        snprintf(piece, sizeof piece, "%.*s", (int)size, text + dots);
        if (strchr(piece, '.')) {
            code = add_name(author, arena, piece, NULL);
            if (code == 0 && wide)
                code = add_pieces(author, arena, piece, false);
        }
        text += dots + size;
        text += *text != 0;
    }
    return code;
}

/* A domain that cannot be looked up as it stands: whatever it may be taken for. */
static int add_unclear(struct author *author, struct arena *arena, const char *text)
{
    char *folded =
        g_utf8_normalize(text, -1, G_NORMALIZE_ALL_COMPOSE); /* letters of other widths */
    const char *at = folded ? folded : text;
    int code = *at == '[' ? 0 : add_joined(author, arena, at, true);
    if (code == 0 && *at != '[')
        code = add_joined(author, arena, at, false);
    if (code >= 0)
        code = add_pieces(author, arena, at, true);
    g_free(folded);
    return code;
}

/* A domain as it stands in an address. 0 or -ENOMEM. */
static int add_domain(struct author *author, struct arena *arena, const char *text, size_t size,
                      const char *flaw)
{
    const char *domain = arena_strndup(arena, text, size);
    int code = domain ? add_name(author, arena, domain, flaw) : -ENOMEM;
    if (code == 0) {
        set_flaw(author, NO_DOMAIN);
        code = add_unclear(author, arena, domain);
    }
    return code < 0 ? code : 0;
}

/* The domain behind each "@" of a text, so that nothing in a local part shows another one. */
static int add_domains(struct author *author, struct arena *arena, const char *text,
                       const char *flaw)
{
    static const char ends[] = " \t\r\n<>()[],;:\"@";
    int code = 0;
    for (const char *at = strchr(text, '@'); at && code == 0 && !author->more;
         at = strchr(at + 1, '@')) {
        const char *domain = at + 1;
        size_t size = *domain == '[' ? strcspn(domain, "]") : 0;
        size += domain[size] == ']';
        size += strcspn(domain + size, ends);
        if (size == 0) { /* whatever it is that a reader passes over */
            domain += strspn(domain, ends);
            size = strcspn(domain, ends);
            if (size > 0)
                set_flaw(author, UNREADABLE);
        }
        if (size > 0)
            code = add_domain(author, arena, domain, size, flaw);
    }
    return code;
}

/* --- Addresses, as the payload has them --- */

static int add_mailboxes(struct author *author, struct arena *arena, const struct head_field *field)
{
    struct address_reader reader = {0};
    struct mailbox_list list;
    int code = address_read(&reader, arena, field->value, field->value_size);
    int finished = address_finish(&reader, arena, &list);
    if (code == 0)
        code = finished;
    for (size_t i = 0; i < list.count && code == 0; i++)
        if (list.items[i].email)
            code = add_domains(author, arena, list.items[i].email, NULL);
    return code;
}

/* --- Addresses, as anybody could read them --- */

/* Part of a word: no space, and nothing that ends one (RFC 5322 section 3.2.3). */
static bool is_word_char(char c)
{
    return (unsigned char)c > ' ' && !strchr("<>()[],;:\"\\", c);
}

/* Where a quoted string or a comment ends; the character itself where it does not end. */
static size_t skip_quoted(const char *text, size_t size, size_t at)
{
    char open = text[at], close = open == '(' ? ')' : '"';
    unsigned depth = 0;
    for (size_t i = at; i < size; i++) {
        if (text[i] == '\\')
            i++;
        else if (text[i] == close && (close == '"' ? i > at : --depth == 0))
            return i + 1;
        else if (text[i] == open && open == '(')
            depth++;
    }
    return at + 1;
}

/* Leaves a quoted string out, which is a name; but not one that is a part of an address, as where a
 * part of it was encoded. */
static size_t strip_quoted(char *text, size_t size, size_t at, size_t *used)
{
    size_t end = skip_quoted(text, size, at);
    bool touches =
        (at > 0 && is_word_char(text[at - 1])) || (end < size && is_word_char(text[end]));
    if (touches && end > at + 1) {
        memmove(text + *used, text + at + 1, end - at - 2);
        *used += end - at - 2;
    } else {
        text[(*used)++] = '"'; /* what was before it ends */
    }
    return end;
}

/* The forms of "@" for other widths of letters, U+FF20 and U+FE6B. */
static bool is_wide_at(const char *text, size_t left)
{
    return left >= 3 &&
           (memcmp(text, "\xef\xbc\xa0", 3) == 0 || memcmp(text, "\xef\xb9\xab", 3) == 0);
}

/* Without names in quotes, comments, and the white space around "." and "@". */
static void strip(char *text, size_t *size)
{
    size_t used = 0;
    for (size_t at = 0; at < *size;) {
        char c = text[at];
        if (c == '"') {
            at = strip_quoted(text, *size, at, &used);
            continue;
        } else if (c == '(') {
            at = skip_quoted(text, *size, at);
            continue;
        } else if (is_wide_at(text + at, *size - at)) {
            c = '@';
            at += 2;
        }
        at++;
        bool joins = used > 0 && (text[used - 1] == '.' || text[used - 1] == '@');
        if (is_space(c) && joins)
            continue;
        if (c == '.' || c == '@')
            while (used > 0 && is_space(text[used - 1]))
                used--;
        text[used++] = c;
    }
    *size = used;
}

/* An address in a name, or in a comment, where there is no other. */
static int add_name_only(struct author *author, struct arena *arena, const struct head_field *field)
{
    struct buffer text = {0};
    int code = words_decode(&text, field->value, field->value_size);
    buffer_drop_nul(&text);
    if (code == 0)
        code = buffer_append_byte(&text, 0);
    if (code == 0)
        code = add_domains(author, arena, text.bytes, UNREADABLE);
    buffer_free(&text);
    return code;
}

/* What the payload's reader has not seen, and another one may. */
static int add_others(struct author *author, struct arena *arena, const struct head_field *field)
{
    struct buffer outer = {0}, text = {0};
    int code = words_decode_addresses(&outer, field->value, field->value_size);
    if (code == 0)
        strip(outer.bytes, &outer.size);
    if (code == 0) /* what was encoded in angle brackets */
        code = words_decode(&text, outer.bytes, outer.size);
    buffer_drop_nul(&text);
    if (code == 0)
        code = buffer_append_byte(&text, 0);
    if (code == 0)
        code = add_domains(author, arena, text.bytes, UNREADABLE);
    if (code == 0 && author->count == 0) /* then what is shown is a name */
        code = add_name_only(author, arena, field);
    buffer_free(&outer);
    buffer_free(&text);
    return code;
}

int author_read(const struct head *head, struct arena *arena, struct author *out)
{
    size_t fields = 0;
    int code = 0;
    *out = (struct author){0};
    if (head->too_large)
        out->flaw = "the header is larger than is checked";
    for (size_t i = head_find(head, "From", 0); i < head->field_count && code == 0;
         i = head_find(head, "From", i + 1)) {
        code = add_mailboxes(out, arena, &head->fields[i]);
        if (code == 0)
            code = add_others(out, arena, &head->fields[i]);
        fields++;
    }
    if (fields > 1)
        out->flaw = "more than one From";
    else if (out->more)
        out->flaw = "From shows more domains than are checked";
    else if (fields == 0)
        set_flaw(out, "no From");
    else if (out->count == 0)
        set_flaw(out, "From has no address");
    return code;
}
