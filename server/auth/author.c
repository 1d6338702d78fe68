#include "author.h"

#include <errno.h>
#include <string.h>

#include "../base/ascii.h"
#include "../dns/name.h"
#include "../mail/address.h"
#include "../mail/buffer.h"
#include "../mail/words.h"

#define NO_DOMAIN  "From has an address whose domain cannot be looked up"
#define UNREADABLE "From has an address that cannot be read"

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

/* What a reader may take for a domain in something that is none: its letters, digits and single
 * dots, and what is beyond ASCII where `wide`. */
static void tidy(const char *text, size_t size, bool wide, char *out, size_t capacity)
{
    size_t used = 0;
    for (size_t i = 0; i < size && used < capacity - 1; i++) {
        unsigned char c = (unsigned char)text[i];
        bool counts = (wide && c >= 0x80) || c == '-' || c == '_' || (c >= '0' && c <= '9') ||
                      ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        if (counts || (c == '.' && used > 0 && out[used - 1] != '.'))
            out[used++] = (char)c;
    }
    while (used > 0 && out[used - 1] == '.')
        used--;
    out[used] = 0;
}

/* How much of what follows an "@" is a domain; 0: there is none. */
static size_t domain_size(const char *text)
{
    return *text == '[' ? strcspn(text, "]") : strcspn(text, " \t\r\n<>()[],;:\"\\@");
}

/* A domain as it stands in an address, `size` bytes and not none. 0 or -ENOMEM. */
static int add_domain(struct author *author, struct arena *arena, const char *text, size_t size,
                      const char *flaw)
{
    char tidied[4 * DNS_NAME_MAX], name[DNS_NAME_MAX + 1];
    tidy(text, size, true, tidied, sizeof tidied);
    bool found = *text != '[' && dns_name(tidied, name);
    bool changed = strlen(tidied) != size - (text[size - 1] == '.');
    if (!found && *text != '[') {
        tidy(text, size, false, tidied, sizeof tidied);
        found = changed = dns_name(tidied, name);
    }
    if (!found || changed)
        set_flaw(author, NO_DOMAIN);
    if (!found || is_known(author, name))
        return 0;
    if (flaw)
        set_flaw(author, flaw);
    if (author->count == AUTHOR_DOMAINS_MAX) {
        author->more = true;
        return 0;
    }
    author->domains[author->count] = arena_strdup(arena, name);
    return author->domains[author->count++] ? 0 : -ENOMEM;
}

/* --- Addresses, as the payload has them --- */

/* Every part that follows an "@", so that nothing in a local part shows another domain. */
static int add_address(struct author *author, struct arena *arena, const char *email)
{
    int code = 0;
    for (const char *at = strchr(email, '@'); at && code == 0; at = strchr(at + 1, '@')) {
        size_t size = domain_size(at + 1);
        if (size > 0)
            code = add_domain(author, arena, at + 1, size, NULL);
    }
    return code;
}

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
            code = add_address(author, arena, list.items[i].email);
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
    const char *at = code == 0 ? strchr(text.bytes, '@') : NULL;
    for (; at && code == 0; at = strchr(at + 1, '@')) {
        size_t size = domain_size(at + 1);
        if (size > 0)
            code = add_domain(author, arena, at + 1, size, UNREADABLE);
    }
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
