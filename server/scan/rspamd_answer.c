#include "rspamd_answer.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

/* A number of any kind; false: it is none that can be counted with. */
static bool read_number(const json_t *value, double *out)
{
    *out = json_number_value(value);
    return json_is_number(value) && isfinite(*out);
}

/* Jansson has it as valid UTF-8. Control characters become spaces, and it ends where a character does. */
static const char *copy_text(struct scan_result *result, const json_t *value)
{
    const char *text = json_string_value(value);
    size_t size = text ? strlen(text) : 0;
    if (size > RSPAMD_TEXT_MAX)
        for (size = RSPAMD_TEXT_MAX; size > 0 && ((unsigned char)text[size] & 0xc0) == 0x80;)
            size--;
    char *copy = text ? arena_strndup(result->arena, text, size) : NULL;
    for (char *c = copy; c && *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
    return copy;
}

static const char *copy_name(struct scan_result *result, const char *name)
{
    size_t size = strlen(name);
    bool valid = size > 0 && size <= 255;
    for (size_t i = 0; i < size; i++)
        valid = valid && name[i] > ' ' && name[i] < 0x7f && name[i] != ':';
    return valid ? arena_strdup(result->arena, name) : NULL;
}

/* ---- Symbols ---- */

static int read_options(struct scan_result *result, const json_t *list, struct scan_symbol *symbol)
{
    size_t count = json_array_size(list);
    if (count > RSPAMD_OPTIONS_MAX)
        count = RSPAMD_OPTIONS_MAX;
    symbol->options = arena_alloc(result->arena, (count + 1) * sizeof *symbol->options);
    if (!symbol->options)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const json_t *option = json_array_get(list, i);
        if (!json_is_string(option))
            continue;
        const char *text = copy_text(result, option);
        if (!text)
            return -ENOMEM;
        symbol->options[symbol->option_count++] = text;
    }
    return 0;
}

static bool is_virus(const struct scan_config *config, const char *name)
{
    for (size_t i = 0; i < config->virus_symbol_count; i++)
        if (strcmp(config->virus_symbols[i], name) == 0)
            return true;
    return false;
}

static int read_symbols(const struct scan_config *config, json_t *symbols,
                        struct scan_result *result)
{
    const char *name;
    json_t *value;
    size_t count = json_object_size(symbols);
    result->symbols = arena_alloc(result->arena, (count + 1) * sizeof *result->symbols);
    if (!result->symbols)
        return -ENOMEM;
    json_object_foreach(symbols, name, value)
    {
        struct scan_symbol *symbol = &result->symbols[result->symbol_count];
        *symbol = (struct scan_symbol){.name = copy_name(result, name)};
        if (!symbol->name || !json_is_object(value) || result->symbol_count == RSPAMD_SYMBOLS_MAX)
            continue;
        if (!read_number(json_object_get(value, "score"), &symbol->score))
            symbol->score = 0;
        if (read_options(result, json_object_get(value, "options"), symbol) != 0)
            return -ENOMEM;
        if (!result->virus && is_virus(config, symbol->name))
            result->virus =
                symbol->option_count > 0 && *symbol->options[0] ? symbol->options[0] : symbol->name;
        result->symbol_count++;
    }
    return 0;
}

/* ---- Fields ---- */

/* A value is a text, or an object that has one, or a list of those. */
static int add_field(struct scan_result *result, const char *name, const json_t *value)
{
    int code = 0;
    for (size_t i = 0; i < json_array_size(value) && code == 0; i++)
        if (!json_is_array(json_array_get(value, i)))
            code = add_field(result, name, json_array_get(value, i));
    const json_t *inner = json_is_object(value) ? json_object_get(value, "value") : value;
    if (!json_is_string(inner) || result->fields.count >= RSPAMD_FIELDS_MAX)
        return code;
    const char *text = copy_text(result, inner);
    return text ? header_list_append(&result->fields, name, text, strlen(text)) : -ENOMEM;
}

static int read_fields(json_t *milter, struct scan_result *result)
{
    const char *name;
    json_t *value, *removed = json_object_get(milter, "remove_headers");
    size_t count = json_object_size(removed);
    result->removed = arena_alloc(result->arena, (count + 1) * sizeof *result->removed);
    int code = result->removed ? 0 : -ENOMEM;
    if (code != 0)
        return code;
    json_object_foreach(removed, name, value)
    {
        const char *copy =
            result->removed_count < RSPAMD_FIELDS_MAX ? copy_name(result, name) : NULL;
        if (copy)
            result->removed[result->removed_count++] = copy;
    }
    json_object_foreach(json_object_get(milter, "add_headers"), name, value)
    {
        const char *copy = copy_name(result, name);
        if (copy && code == 0)
            code = add_field(result, copy, value);
    }
    return code;
}

/* ---- The whole ---- */

static const char *known_action(const char *action)
{
    static const char *const actions[] = {"no action",       "greylist",    "add header",
                                          "rewrite subject", "soft reject", "reject"};
    for (size_t i = 0; action && i < sizeof actions / sizeof *actions; i++)
        if (strcmp(action, actions[i]) == 0)
            return actions[i];
    return NULL;
}

static int read_answer(const struct scan_config *config, json_t *answer, struct scan_result *result)
{
    const char *action = known_action(json_string_value(json_object_get(answer, "action")));
    if (!action || !read_number(json_object_get(answer, "score"), &result->score) ||
        !read_number(json_object_get(answer, "required_score"), &result->required))
        return -EBADMSG;
    result->action = action;
    result->spam = strcmp(action, "add header") == 0 || strcmp(action, "rewrite subject") == 0 ||
                   strcmp(action, "reject") == 0;
    json_t *messages = json_object_get(answer, "messages");
    result->message = copy_text(result, json_object_get(messages, "smtp_message"));
    int code = read_symbols(config, json_object_get(answer, "symbols"), result);
    if (code == 0)
        code = scan_result_write_fields(result);
    if (code == 0 && config->headers)
        code = read_fields(json_object_get(answer, "milter"), result);
    return code;
}

int rspamd_answer_read(const struct scan_config *config, const char *bytes, size_t size,
                       struct scan_result *result)
{
    json_t *answer = json_loadb(bytes, size, JSON_DISABLE_EOF_CHECK, NULL);
    int code = json_is_object(answer) ? read_answer(config, answer, result) : -EBADMSG;
    json_decref(answer);
    return code;
}
