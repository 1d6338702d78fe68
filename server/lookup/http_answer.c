#include "http_answer.h"

#include <jansson.h>
#include <stdbool.h>
#include <string.h>

#define MAX_DESTINATIONS 100

static const char *check_text(const json_t *value)
{
    return json_string_length(value) > 0 ? NULL : "the answer has an empty destination";
}

static bool is_reference(const char *text)
{
    return strncmp(text, "env:", 4) == 0 || strncmp(text, "file:", 5) == 0;
}

/* Its fields are checked when a rule answers with it (rules/answer_destination.c); here only what a rule may and an
 * answer may not. */
static const char *check_object(json_t *object)
{
    const char *secret = json_string_value(json_object_get(object, "secret"));
    const char *name;
    json_t *value;
    if (!json_is_string(json_object_get(object, "url")))
        return "the answer has a destination without a url";
    if (secret && is_reference(secret))
        return "the answer names a secret of the server's";
    json_object_foreach(
        json_object_get(object, "headers"), name,
        value) if (!json_is_string(value)) return "the answer has a header that is not a text";
    return NULL;
}

static const char *check_one(json_t *value)
{
    return json_is_string(value)   ? check_text(value)
           : json_is_object(value) ? check_object(value)
                                   : "the answer's destinations are not texts or objects";
}

static const char *check_list(json_t *list)
{
    size_t index;
    json_t *value;
    if (json_array_size(list) > MAX_DESTINATIONS)
        return "the answer has more than 100 destinations";
    json_array_foreach(list, index, value)
    {
        const char *why = check_one(value);
        if (why)
            return why;
    }
    return NULL;
}

struct lookup_answer *http_answer_read(const char *body, size_t size, const char **why)
{
    json_error_t error;
    struct lookup_answer *answer = NULL;
    json_t *root = json_loadb(body, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    json_t *value = json_is_object(root) ? json_object_get(root, "destinations") : NULL;
    if (!value)
        value = root;
    *why = !root                  ? "the answer is not JSON"
           : json_is_array(value) ? check_list(value)
                                  : check_one(value);
    if (!*why) {
        bool none = json_is_array(value) && json_array_size(value) == 0;
        answer = none ? lookup_answer_new(LOOKUP_NONE, NULL, 0)
                      : lookup_answer_new(LOOKUP_FOUND, body, size);
        *why = answer ? NULL : "out of memory";
    }
    json_decref(root);
    return answer;
}
