#include "spf_record.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

#define VERSION      "v=spf1"
#define VERSION_SIZE (sizeof VERSION - 1)

/* A piece of text between two pointers. */
struct span {
    const char *at, *end;
};

static size_t size_of(struct span s)
{
    return (size_t)(s.end - s.at);
}

static bool span_is(struct span s, const char *word)
{
    return size_of(s) == strlen(word) && strncasecmp(s.at, word, size_of(s)) == 0;
}

static bool is_alnum(char c)
{
    return isalnum((unsigned char)c) && (unsigned char)c < 128;
}

static bool is_alpha(char c)
{
    return isalpha((unsigned char)c) && (unsigned char)c < 128;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* --- Macro strings (section 7.1) --- */

/* After "%{": letter, digits (not zero), "r", delimiters, "}". */
static const char *skip_macro(const char *at, const char *end, const char *letters)
{
    if (at == end || !is_alpha(*at) || !strchr(letters, tolower((unsigned char)*at)))
        return NULL;
    at++;
    bool digits = false, zero = true;
    unsigned value = 0;
    for (; at < end && is_digit(*at); at++) {
        digits = true;
        zero = zero && *at == '0';
        value = value * 10 + (unsigned)(*at - '0');
        if (value > 128)
            value = 128; /* more parts than a name can have */
    }
    if (digits && zero)
        return NULL;
    if (at < end && tolower((unsigned char)*at) == 'r')
        at++;
    while (at < end && strchr(".-+,/_=", *at) && *at)
        at++;
    return at < end && *at == '}' ? at + 1 : NULL;
}

/* True where all of it is a macro-string; *literal is where its last literal begins (its end where
 * it ends with a macro). */
static bool is_macro_string(struct span s, const char *letters, bool spaces, const char **literal)
{
    const char *at = s.at;
    *literal = at;
    while (at < s.end) {
        if (*at != '%') {
            if (!(*at > ' ' && *at < 127) && !(spaces && *at == ' '))
                return false;
            at++;
            continue;
        }
        if (++at == s.end)
            return false;
        if (*at == '{')
            at = skip_macro(at + 1, s.end, letters);
        else
            at = *at == '%' || *at == '_' || *at == '-' ? at + 1 : NULL;
        if (!at)
            return false;
        *literal = at;
    }
    return true;
}

#define DOMAIN_LETTERS      "slodiphv"
#define EXPLANATION_LETTERS "slodiphvcrt"

/* toplabel: letters, digits and hyphens, not digits alone, no hyphen at either end. */
static bool is_top_label(const char *at, const char *end)
{
    bool only_digits = true;
    if (at == end || *at == '-' || end[-1] == '-')
        return false;
    for (; at < end; at++) {
        if (!is_alnum(*at) && *at != '-')
            return false;
        only_digits = only_digits && is_digit(*at);
    }
    return !only_digits;
}

static bool is_domain_spec(struct span s)
{
    const char *literal;
    if (s.at == s.end || !is_macro_string(s, DOMAIN_LETTERS, false, &literal))
        return false;
    if (literal == s.end)
        return true;
    const char *end = s.end[-1] == '.' ? s.end - 1 : s.end;
    const char *label = end;
    while (label > literal && label[-1] != '.')
        label--;
    return label > literal && is_top_label(label, end);
}

bool spf_explanation_is_valid(const char *text, size_t size)
{
    const char *literal;
    return is_macro_string((struct span){text, text + size}, EXPLANATION_LETTERS, true, &literal);
}

/* --- Mechanisms (section 5) --- */

/* Takes "/" or "//" and a number off the end. False where the number is none that is allowed; true
 * and nothing taken where there is no such end. */
static bool take_cidr(struct span *s, const char *slashes, unsigned max, unsigned *out)
{
    const char *digits = s->end;
    size_t width = strlen(slashes);
    while (digits > s->at && is_digit(digits[-1]))
        digits--;
    if (digits == s->end || size_of((struct span){s->at, digits}) < width ||
        strncmp(digits - width, slashes, width) != 0)
        return true;
    if (width == 1 && digits - s->at > 1 && digits[-2] == '/')
        return true; /* "//": the other one's */
    size_t count = size_of((struct span){digits, s->end});
    if (count > 3 || (count > 1 && *digits == '0'))
        return false;
    unsigned value = 0;
    for (const char *at = digits; at < s->end; at++)
        value = value * 10 + (unsigned)(*at - '0');
    s->end = digits - width;
    *out = value;
    return value <= max;
}

static bool read_address(struct span s, struct spf_term *term)
{
    char text[INET6_ADDRSTRLEN];
    bool six = term->kind == TERM_IP6;
    if (s.at == s.end || *s.at++ != ':')
        return false;
    if (!take_cidr(&s, "/", six ? 128 : 32, six ? &term->cidr6 : &term->cidr4) ||
        size_of(s) >= sizeof text)
        return false;
    memcpy(text, s.at, size_of(s));
    text[size_of(s)] = 0;
    return strlen(text) == size_of(s) &&
           inet_pton(six ? AF_INET6 : AF_INET, text, term->address) == 1;
}

/* [ ":" domain-spec ] */
static bool read_domain(struct span s, bool needed, struct spf_term *term)
{
    if (s.at == s.end)
        return !needed;
    if (*s.at++ != ':' || !is_domain_spec(s))
        return false;
    term->domain = s.at;
    term->domain_size = size_of(s);
    return true;
}

static bool read_argument(struct span s, struct spf_term *term)
{
    switch (term->kind) {
    case TERM_ALL: return s.at == s.end;
    case TERM_IP4:
    case TERM_IP6: return read_address(s, term);
    case TERM_INCLUDE:
    case TERM_EXISTS: return read_domain(s, true, term);
    case TERM_PTR: return read_domain(s, false, term);
    default:
        return take_cidr(&s, "//", 128, &term->cidr6) && take_cidr(&s, "/", 32, &term->cidr4) &&
               read_domain(s, false, term);
    }
}

static bool read_mechanism(struct span s, struct spf_term *term)
{
    static const struct {
        const char *name;
        enum spf_term_kind kind;
    } mechanisms[] = {{"all", TERM_ALL}, {"include", TERM_INCLUDE}, {"a", TERM_A},
                      {"mx", TERM_MX},   {"ptr", TERM_PTR},         {"ip4", TERM_IP4},
                      {"ip6", TERM_IP6}, {"exists", TERM_EXISTS}};
    if (s.at < s.end && strchr("+-~?", *s.at) && *s.at)
        term->qualifier = *s.at++;
    struct span name = {s.at, s.at};
    while (name.end < s.end && *name.end != ':' && *name.end != '/')
        name.end++;
    s.at = name.end;
    for (size_t i = 0; i < sizeof mechanisms / sizeof *mechanisms; i++) {
        if (span_is(name, mechanisms[i].name)) {
            term->kind = mechanisms[i].kind;
            return read_argument(s, term);
        }
    }
    return false;
}

/* --- Modifiers (section 6) --- */

/* Where the "=" of a modifier is; NULL where the term is none. */
static const char *modifier_equals(struct span s)
{
    if (s.at == s.end || !is_alpha(*s.at))
        return NULL;
    while (s.at < s.end && (is_alnum(*s.at) || strchr("-_.", *s.at)) && *s.at)
        s.at++;
    return s.at < s.end && *s.at == '=' ? s.at : NULL;
}

static bool read_modifier(struct span s, const char *equals, struct spf_term *term)
{
    const char *literal;
    struct span name = {s.at, equals}, value = {equals + 1, s.end};
    term->kind = span_is(name, "redirect") ? TERM_REDIRECT
                 : span_is(name, "exp")    ? TERM_EXP
                                           : TERM_OTHER;
    if (term->kind == TERM_OTHER)
        return is_macro_string(value, EXPLANATION_LETTERS, false, &literal);
    term->domain = value.at;
    term->domain_size = size_of(value);
    return is_domain_spec(value);
}

/* --- Records --- */

static bool read_term(struct span s, struct spf_term *term)
{
    *term = (struct spf_term){.qualifier = '+', .cidr4 = 32, .cidr6 = 128};
    const char *equals = modifier_equals(s);
    return equals ? read_modifier(s, equals, term) : read_mechanism(s, term);
}

static bool next_span(const char *text, size_t size, size_t *at, struct span *out)
{
    if (*at == 0)
        *at = VERSION_SIZE;
    while (*at < size && text[*at] == ' ')
        ++*at;
    out->at = text + *at;
    while (*at < size && text[*at] != ' ')
        ++*at;
    out->end = text + *at;
    return out->at < out->end;
}

bool spf_record_is(const char *text, size_t size)
{
    return size >= VERSION_SIZE && strncasecmp(text, VERSION, VERSION_SIZE) == 0 &&
           (size == VERSION_SIZE || text[VERSION_SIZE] == ' ');
}

const char *spf_record_error(const char *text, size_t size)
{
    struct span span;
    struct spf_term term;
    bool redirect = false, explanation = false;
    for (size_t at = 0; next_span(text, size, &at, &span);) {
        if (!read_term(span, &term))
            return "a term of the record cannot be read";
        if ((term.kind == TERM_REDIRECT && redirect) || (term.kind == TERM_EXP && explanation))
            return "a modifier stands twice in the record";
        redirect = redirect || term.kind == TERM_REDIRECT;
        explanation = explanation || term.kind == TERM_EXP;
    }
    return NULL;
}

bool spf_record_next(const char *text, size_t size, size_t *at, struct spf_term *term)
{
    struct span span;
    return next_span(text, size, at, &span) && read_term(span, term);
}
