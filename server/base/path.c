#include "path.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* Each skip_ function returns where its element ends, or NULL where it is not there. All of them
 * read a string that a NUL ends, and none steps over it. */
static const char *skip_source_route(const char *text);
static const char *skip_mailbox(const char *text, const char **domain);
static const char *skip_local_part(const char *text);
static const char *skip_atom(const char *text);
static const char *skip_dot_string(const char *text);
static const char *skip_quoted_string(const char *text);
static const char *skip_domain(const char *text);
static const char *skip_label(const char *text);
static const char *skip_address_literal(const char *text);

static void set_address(struct path *path, const char *start, const char *domain, const char *end)
{
    memcpy(path->address, start, (size_t)(end - start));
    path->address[end - start] = 0;
    if (domain)
        path->domain = path->address + (domain - start);
    path->non_ascii = false;
    for (const char *p = start; p < end; p++)
        path->non_ascii |= (unsigned char)*p >= 0x80;
}

const char *path_parse(const char *text, enum path_kind kind, struct path *path)
{
    static const char postmaster[] = "<postmaster>";
    memset(path, 0, sizeof *path);
    if (kind == PATH_REVERSE && strncmp(text, "<>", 2) == 0)
        return text + 2;
    const char *start = text, *domain = NULL, *end;
    if (*start++ != '<')
        return NULL;
    if (kind == PATH_FORWARD && strncasecmp(text, postmaster, sizeof postmaster - 1) == 0) {
        end = text + sizeof postmaster - 2;
    } else {
        if (*start == '@' && !(start = skip_source_route(start)))
            return NULL;
        end = skip_mailbox(start, &domain);
    }
    if (!end || *end != '>' || end + 1 - text > PATH_MAX_OCTETS)
        return NULL;
    set_address(path, start, domain, end);
    return end + 1;
}

/* ---- As clients send it ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static const char *skip_blanks(const char *text)
{
    while (is_blank(*text))
        text++;
    return text;
}

/* To where the argument ends, outside of quotes and brackets; NULL: a bracket or quote stays open.
 * A ">" too many is no harm. */
static const char *skip_argument(const char *text)
{
    size_t depth = 0;
    for (; *text && (depth > 0 || !is_blank(*text)); text++) {
        if (*text == '"') {
            for (text++; *text && *text != '"'; text++)
                if (*text == '\\' && text[1])
                    text++;
            if (!*text)
                return NULL;
        }
        depth += *text == '<';
        depth -= *text == '>' && depth > 0;
    }
    return depth == 0 ? text : NULL;
}

/* Over words before a bracket, as in: Bobby <b@x>. Those with "@" or "=" are an address and its
 * parameters. */
static const char *skip_phrase(const char *text)
{
    bool quoted = false;
    for (const char *p = text; *p && (quoted || !strchr("@=", *p)); p++) {
        if (*p == '<' && !quoted)
            return p;
        quoted ^= *p == '"';
    }
    return text;
}

/* What is between the innermost brackets, or all of it; without blanks around. False: there are two
 * pairs side by side, or something stands behind one. */
static bool find_content(const char **start, const char **end)
{
    bool quoted = false;
    while (*end > *start && (is_blank((*end)[-1]) || (*end)[-1] == '>'))
        --*end;
    for (const char *p = *start; p < *end; p++) {
        if (quoted && *p == '\\')
            p++;
        else if (*p == '"')
            quoted = !quoted;
        else if (*p == '>' && !quoted)
            return false;
        else if (*p == '<' && !quoted)
            *start = p + 1;
    }
    *start = skip_blanks(*start);
    return true;
}

/* Each returns where the element ends, or NULL where it is not there. */
static const char *skip_loose_dot_string(const char *text)
{
    const char *start = text, *end;
    do {
        text += strspn(text, ".");
        end = skip_atom(text);
        text = end ? end : text;
    } while (end && *text == '.');
    return text > start ? text : NULL;
}

/* Without its trailing dot, but *end is after that. */
static const char *skip_loose_domain(const char *text, const char **end)
{
    const char *stop;
    if (*text == '[') {
        stop = skip_address_literal(text);
    } else {
        const char *label = text;
        do
            stop = skip_label(label);
        while (stop && *stop == '.' && stop[1] && !strchr("> \t\"", stop[1]) && (label = stop + 1));
        if (stop && stop - text > DOMAIN_MAX_OCTETS)
            stop = NULL;
    }
    *end = stop && *stop == '.' ? stop + 1 : stop;
    return stop;
}

/* Reads the mailbox between start and stop. False: path->wrong says why. */
static bool read_mailbox(const char *start, const char *stop, struct path *path)
{
    const char *local = *start == '"' ? skip_quoted_string(start) : skip_loose_dot_string(start);
    if (local == stop) {
        set_address(path, start, NULL, stop);
        return true;
    }
    path->wrong = "the local part cannot be read";
    if (!local || *local != '@' || local > stop)
        return false;
    const char *end, *domain_end = skip_loose_domain(local + 1, &end);
    path->wrong = "the domain cannot be read";
    if (!domain_end || end != stop)
        return false;
    path->wrong = "it is longer than 254 octets";
    if (domain_end - start > PATH_MAX_OCTETS - 2)
        return false;
    set_address(path, start, local + 1, domain_end);
    return true;
}

/* All of it is one quoted string: "user@example.com". */
static void strip_quotes(const char **start, const char **end)
{
    if (**start != '"' || skip_quoted_string(*start) != *end ||
        memchr(*start, '\\', (size_t)(*end - *start)))
        return;
    ++*start;
    --*end;
}

const char *path_read(const char *text, enum path_kind kind, struct path *path)
{
    memset(path, 0, sizeof *path);
    const char *start = skip_phrase(skip_blanks(text));
    const char *after = skip_argument(start), *end = after;
    path->wrong = "a bracket or a quote is not closed";
    if (!after)
        return NULL;
    bool bracketed = *start == '<';
    path->wrong = "something stands right behind its bracket";
    if (!find_content(&start, &end))
        return NULL;
    if (start >= end) {
        path->wrong = kind == PATH_REVERSE && bracketed ? NULL : "there is none";
        return path->wrong ? NULL : after;
    }
    path->wrong = "it is longer than 254 octets";
    if (end - start > PATH_MAX_OCTETS - 2)
        return NULL;
    path->wrong = "the source route cannot be read";
    if (*start == '@' && !(start = skip_source_route(start)))
        return NULL;
    start = skip_blanks(start);
    strip_quotes(&start, &end);
    if (start >= end || !read_mailbox(start, end, path))
        return NULL;
    path->wrong = NULL;
    return after;
}

/* A-d-l ":" */
static const char *skip_source_route(const char *text)
{
    for (;;) {
        if (*text != '@' || !(text = skip_domain(text + 1)))
            return NULL;
        if (*text == ':')
            return text + 1;
        if (*text++ != ',')
            return NULL;
    }
}

static const char *skip_mailbox(const char *text, const char **domain)
{
    const char *at = skip_local_part(text);
    if (!at || *at != '@')
        return NULL;
    *domain = at + 1;
    return at[1] == '[' ? skip_address_literal(at + 1) : skip_domain(at + 1);
}

static const char *skip_local_part(const char *text)
{
    return *text == '"' ? skip_quoted_string(text) : skip_dot_string(text);
}

/* Let-dig (RFC 5321 section 4.1.2). */
static bool is_let_dig(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* atext (RFC 5322 section 3.2.3); with RFC 6531, any character beyond ASCII too. */
static const char *skip_atom(const char *text)
{
    const char *start = text;
    size_t length;
    for (; *text; text += length) {
        length = utf8_length(text);
        if (length == 0)
            return NULL;
        if (length == 1 && !is_let_dig(*text) && !strchr("!#$%&'*+-/=?^_`{|}~", *text))
            break;
    }
    return text > start ? text : NULL;
}

static const char *skip_dot_string(const char *text)
{
    while ((text = skip_atom(text)) && *text == '.')
        text++;
    return text;
}

static const char *skip_quoted_string(const char *text)
{
    text++;
    while (*text != '"') {
        if (*text == '\\') {
            text++;
            if (*text < ' ' || *text > '~')
                return NULL;
        }
        size_t length = utf8_length(text);
        if (length == 0 || (length == 1 && (*text < ' ' || *text > '~')))
            return NULL;
        text += length;
    }
    return text + 1;
}

static const char *skip_domain(const char *text)
{
    const char *start = text;
    while ((text = skip_label(text)) && *text == '.')
        text++;
    return text && text - start <= DOMAIN_MAX_OCTETS ? text : NULL;
}

/* Let-dig [Ldh-str], or a U-label, of which only the UTF-8 is checked. */
static const char *skip_label(const char *text)
{
    const char *start = text;
    bool ascii = true;
    size_t length;
    for (; *text; text += length) {
        length = utf8_length(text);
        if (length == 0)
            return NULL;
        if (length == 1 && !is_let_dig(*text) && *text != '-' && *text != '_')
            break;
        ascii = ascii && length == 1;
    }
    if (text == start || *start == '-' || text[-1] == '-')
        return NULL;
    return ascii && text - start > LABEL_MAX_OCTETS ? NULL : text;
}

/* "[" IPv4 / "IPv6:" IPv6 / tag ":" dcontent "]" (RFC 5321 section 4.1.3) */
static const char *skip_address_literal(const char *text)
{
    char content[DOMAIN_MAX_OCTETS];
    size_t length = strcspn(++text, "]");
    if (length >= sizeof content || text[length] != ']')
        return NULL;
    memcpy(content, text, length);
    content[length] = 0;
    text += length + 1;

    unsigned char address[16];
    if (strncasecmp(content, "IPv6:", 5) == 0)
        return inet_pton(AF_INET6, content + 5, address) == 1 ? text : NULL;
    if (inet_pton(AF_INET, content, address) == 1)
        return text;
    const char *colon = skip_label(content);
    if (!colon || *colon != ':' || !colon[1])
        return NULL;
    for (const char *p = content; *p; p++)
        if (*p <= ' ' || *p > '~' || *p == '[' || *p == '\\' || *p == '@')
            return NULL; /* "@" is within the grammar, but in no tag's addresses: an address's last ends its local part */
    return text;
}

size_t utf8_length(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    if (p[0] == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    size_t length = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    /* The first byte's range, then the second's: no overlong form, surrogate, or past U+10FFFF. */
    unsigned char low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    if (p[0] < 0xc2 || p[0] > 0xf4 || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if (p[i] < 0x80 || p[i] > 0xbf)
            return 0;
    return length;
}

bool utf8_valid(const char *text)
{
    size_t length;
    for (; *text; text += length)
        if ((length = utf8_length(text)) == 0)
            return false;
    return true;
}
