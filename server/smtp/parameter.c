#include "parameter.h"

#include <string.h>
#include <strings.h>

#define SIZE_MAX_DIGITS 20  /* RFC 1870 section 4 */
#define ENVID_MAX       100 /* RFC 3461 section 4.4 */
#define AUTH_MAX        500 /* RFC 4954 section 5 */
#define ORCPT_MAX       500 /* RFC 3461 section 4.2 */

/* One parameter of the text; neither part is NUL-terminated. */
struct parameter {
    const char *name, *value; /* value: NULL where there is no "=" */
    size_t name_length, value_length;
};

static bool set_size(struct mail_parameters *out, const struct parameter *p);
static bool set_body(struct mail_parameters *out, const struct parameter *p);
static bool set_smtputf8(struct mail_parameters *out, const struct parameter *p);
static bool set_require_tls(struct mail_parameters *out, const struct parameter *p);
static bool check_ret(struct mail_parameters *out, const struct parameter *p);
static bool check_envid(struct mail_parameters *out, const struct parameter *p);
static bool check_auth(struct mail_parameters *out, const struct parameter *p);
static bool check_notify(struct mail_parameters *out, const struct parameter *p);
static bool check_orcpt(struct mail_parameters *out, const struct parameter *p);

struct row {
    const char *name;
    bool (*set)(struct mail_parameters *out, const struct parameter *p); /* false: bad value */
};

#define MAX_ROWS 8

static const struct row mail_rows[MAX_ROWS] = {
    {"SIZE", set_size},         {"BODY", set_body},
    {"SMTPUTF8", set_smtputf8}, {"REQUIRETLS", set_require_tls},
    {"RET", check_ret},         {"ENVID", check_envid},
    {"AUTH", check_auth},
};
static const struct row rcpt_rows[MAX_ROWS] = {
    {"NOTIFY", check_notify},
    {"ORCPT", check_orcpt},
};

static bool same(const char *name, const char *text, size_t length)
{
    return strlen(name) == length && strncasecmp(name, text, length) == 0;
}

static bool set_size(struct mail_parameters *out, const struct parameter *p)
{
    if (!p->value || p->value_length > SIZE_MAX_DIGITS)
        return false;
    for (size_t i = 0; i < p->value_length; i++) {
        if (p->value[i] < '0' || p->value[i] > '9')
            return false;
        unsigned digit = (unsigned)(p->value[i] - '0');
        if (out->size > (UINT64_MAX - digit) / 10)
            out->size = UINT64_MAX;
        else
            out->size = out->size * 10 + digit;
    }
    return true;
}

static bool set_body(struct mail_parameters *out, const struct parameter *p)
{
    if (!p->value)
        return false;
    out->binary = same("BINARYMIME", p->value, p->value_length);
    out->eight_bit = out->binary || same("8BITMIME", p->value, p->value_length);
    return out->eight_bit || same("7BIT", p->value, p->value_length);
}

static bool set_smtputf8(struct mail_parameters *out, const struct parameter *p)
{
    out->smtputf8 = true;
    return !p->value;
}

static bool set_require_tls(struct mail_parameters *out, const struct parameter *p)
{
    out->require_tls = true;
    return !p->value;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
}

/* RFC 3461 section 4; what else it forbids, next_parameter() does. */
static bool is_xtext(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] == '+' && (length - i < 3 || !is_hex(text[i + 1]) || !is_hex(text[i + 2])))
            return false;
    return length > 0;
}

static bool check_ret(struct mail_parameters *out, const struct parameter *p)
{
    (void)out;
    return p->value &&
           (same("FULL", p->value, p->value_length) || same("HDRS", p->value, p->value_length));
}

static bool check_envid(struct mail_parameters *out, const struct parameter *p)
{
    (void)out;
    return p->value && p->value_length <= ENVID_MAX && is_xtext(p->value, p->value_length);
}

/* Who the message is from, as the client says: we trust nobody to say that. */
static bool check_auth(struct mail_parameters *out, const struct parameter *p)
{
    (void)out;
    return p->value && p->value_length <= AUTH_MAX && is_xtext(p->value, p->value_length);
}

static bool check_notify(struct mail_parameters *out, const struct parameter *p)
{
    (void)out;
    if (!p->value || same("NEVER", p->value, p->value_length))
        return p->value;
    for (const char *at = p->value, *end = at + p->value_length;; at++) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        size_t length = (size_t)((comma ? comma : end) - at);
        if (!same("SUCCESS", at, length) && !same("FAILURE", at, length) &&
            !same("DELAY", at, length))
            return false;
        if (!comma)
            return true;
        at = comma;
    }
}

/* addr-type ";" xtext */
static bool check_orcpt(struct mail_parameters *out, const struct parameter *p)
{
    (void)out;
    const char *semicolon = p->value ? memchr(p->value, ';', p->value_length) : NULL;
    if (!semicolon || semicolon == p->value || p->value_length > ORCPT_MAX)
        return false;
    return is_xtext(semicolon + 1, p->value_length - (size_t)(semicolon + 1 - p->value));
}

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Reads the next one of "" / 1*(SP parameter). False: malformed. At the end, name is NULL. */
static bool next_parameter(const char **text, struct parameter *p)
{
    const char *at = *text;
    memset(p, 0, sizeof *p);
    if (*at && *at != ' ')
        return false;
    at += strspn(at, " ");
    if (!*at) {
        *text = at;
        return true;
    }
    p->name = at;
    while (is_letter_or_digit(*at) || (*at == '-' && at > p->name))
        at++;
    p->name_length = (size_t)(at - p->name);
    if (p->name_length > 0 && *at == '=') {
        p->value = ++at;
        while (*at > ' ' && *at <= '~' && *at != '=')
            at++;
        p->value_length = (size_t)(at - p->value);
    }
    *text = at;
    return p->name_length > 0 && (!p->value || p->value_length > 0) && (!*at || *at == ' ');
}

static enum parameter_result parse(const char *text, const struct row *rows,
                                   struct mail_parameters *out)
{
    bool seen[MAX_ROWS] = {false};
    struct parameter p;
    for (;;) {
        if (!next_parameter(&text, &p))
            return PARAMETER_BAD;
        if (!p.name)
            return PARAMETER_OK;
        size_t row = 0;
        while (row < MAX_ROWS && rows[row].name && !same(rows[row].name, p.name, p.name_length))
            row++;
        if (row == MAX_ROWS || !rows[row].name)
            return PARAMETER_UNKNOWN;
        if (seen[row] || !rows[row].set(out, &p))
            return PARAMETER_BAD;
        seen[row] = true;
    }
}

enum parameter_result mail_parameters_parse(const char *text, struct mail_parameters *out)
{
    memset(out, 0, sizeof *out);
    return parse(text, mail_rows, out);
}

enum parameter_result rcpt_parameters_parse(const char *text)
{
    return parse(text, rcpt_rows, NULL);
}
