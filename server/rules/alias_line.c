#include "alias_line.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "../base/ascii.h"
#include "../base/path.h"
#include "../config/config.h"
#include "../config/destination_fields.h"
#include "answer.h"

/* Takes quotes off a field in place: "a""b" is a"b. Returns its end, where the comma stood or the
 * text ended; NULL where a quote is not closed. */
static char *read_field(char *field, char **next)
{
    char *out = field, *in = field;
    if (*in != '"') {
        in += strcspn(in, ",");
        *next = *in ? in + 1 : NULL;
        return in;
    }
    for (in++; *in; in++) {
        if (*in == '"' && *++in != '"')
            break;
        *out++ = *in;
    }
    if (in[-1] != '"' || (*in && *in != ','))
        return NULL;
    *next = *in ? in + 1 : NULL;
    return out;
}

static char *trim(char *text, char *end)
{
    while (end > text && isspace((unsigned char)end[-1]))
        end--;
    *end = '\0';
    return text + strspn(text, " \t");
}

/* A regular expression, or a wildcard but for *@host, which is looked up. */
static bool is_pattern(const char *key)
{
    return *key == '/' || strchr(key + (strncmp(key, "*@", 2) == 0), '*');
}

/* One address, *@host, or a pattern, which whoever compiles it checks. */
static bool is_key(const char *key)
{
    if (is_pattern(key))
        return true;
    const char *at = strchr(key, '@');
    return at && at != key && at[1] && !strchr(at + 1, '@') && !strpbrk(key, " \t") &&
           (*key == '"' || strcspn(key, ":;<>,()\\[]") >= (size_t)(at - key));
}

/* $1, ${name}, and in a URL $name, but as a parameter's: of a pattern's groups, and an address has none. */
static bool has_reference(const char *value)
{
    bool url = strstr(value, "://");
    for (const char *dollar = value; (dollar = strchr(dollar, '$')); dollar++) {
        bool named = isalpha((unsigned char)dollar[1]) || dollar[1] == '_';
        bool parameter = dollar > value && (dollar[-1] == '?' || dollar[-1] == '&');
        if (isdigit((unsigned char)dollar[1]) || dollar[1] == '{' || (named && url && !parameter))
            return true;
    }
    return false;
}

/* A word alone: a profile, where it stands last. */
static bool is_profile(const char *text)
{
    return (isalpha((unsigned char)*text) || *text == '_') && strcasecmp(text, "null") != 0 &&
           text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] ==
               '\0';
}

static bool has_profile(const struct rules_config *config, const char *name)
{
    for (size_t i = 0; config && i < config->profile_count; i++)
        if (strcmp(config->profiles[i].name, name) == 0)
            return true;
    return false;
}

/* NULL, or what is wrong. */
static const char *check_one(const struct rules_config *config, const char *one, bool last)
{
    if (last && is_profile(one))
        return has_profile(config, one) ? NULL : "the configuration has no profile of that name";
    if (strchr(one, '$') || strcasecmp(one, "null") == 0 ||
        answer_check_named(config, one, strlen(one), NULL) == 0)
        return NULL;
    return "not a destination: URLs, e-mail addresses, or null, were expected after the "
           "first comma";
}

/* Each destination of a list by comma. NULL, or what is wrong. */
static const char *check_value(const struct rules_config *config, const char *value)
{
    const char *wrong = *value ? NULL : "an address without a destination";
    for (bool first = true; *value && !wrong; first = false) {
        size_t size = strcspn(value, ",");
        char one[DESTINATION_MAX_URL + 1];
        const char *end = value + size;
        while (size > 0 && isspace((unsigned char)*value))
            value++, size--;
        while (size > 0 && isspace((unsigned char)value[size - 1]))
            size--;
        if (size > DESTINATION_MAX_URL)
            return "a destination that is too long";
        memcpy(one, value, size);
        one[size] = '\0';
        wrong = check_one(config, one, !*end && !first);
        value = *end ? end + 1 : end;
    }
    return wrong;
}

/* What is wrong; else *key and *value, which stand in the text, each with its NUL. */
static const char *take_apart(char *text, char **key, char **value)
{
    char *rest = NULL, *after = NULL, *end = read_field(text, &rest);
    if (!end)
        return "a quote that is not closed";
    if (!rest)
        return "a comma after the address was expected";
    *key = trim(text, end);
    rest += strspn(rest, " \t");
    char *value_end = *rest == '"' ? read_field(rest, &after) : rest + strlen(rest);
    if (!value_end || (after && !is_profile(trim(after, after + strlen(after)))))
        return "something stands after the closing quote that is no profile";
    *value = trim(rest, value_end);
    if (after) { /* the quotes have left room */
        char *profile = trim(after, after + strlen(after));
        size_t size = strlen(*value);
        (*value)[size] = ',';
        memmove(*value + size + 1, profile, strlen(profile) + 1);
    }
    return NULL;
}

static const char *check(const struct rules_config *config, const char *key, const char *value)
{
    const char *wrong = !utf8_valid(key) ? "an address that is not UTF-8"
                        : !is_key(key)   ? "not an address"
                                         : check_value(config, value);
    if (!wrong && !is_pattern(key) && has_reference(value))
        wrong =
            "a group in the destination, but the key is one address (a dollar sign itself is %24)";
    return wrong;
}

const char *alias_line_read(char *text, const struct rules_config *config, struct alias_line *line)
{
    char *key, *value;
    *line = (struct alias_line){0};
    text += strspn(text, " \t");
    if (!*text || *text == '#')
        return NULL;
    const char *wrong = take_apart(text, &key, &value);
    if (!wrong)
        wrong = check(config, key, value);
    if (wrong)
        return wrong;
    for (char *p = key; *p && *key != '/'; p++) /* \D is not \d */
        *p = ascii_lower(*p);
    memmove(key + strlen(key) + 1, value, strlen(value) + 1);
    *line = (struct alias_line){key, is_pattern(key)};
    return NULL;
}
