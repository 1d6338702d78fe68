#include "http_answer.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_tree.h>

#define MAX_DESTINATIONS 100

static bool is_reference(const char *text)
{
    return strncmp(text, "env:", 4) == 0 || strncmp(text, "file:", 5) == 0;
}

static const char *check_headers(yajl_val headers)
{
    for (size_t i = 0; YAJL_IS_OBJECT(headers) && i < YAJL_GET_OBJECT(headers)->len; i++)
        if (!YAJL_IS_STRING(YAJL_GET_OBJECT(headers)->values[i]))
            return "the answer has a header that is not a text";
    return NULL;
}

/* Its fields are checked when a rule answers with it (config/destination_read.h); here only what a rule may and an
 * answer may not. Each key is looked at, since readers differ on which of two counts. */
static const char *check_object(yajl_val object)
{
    const char *why = NULL;
    bool url = false;
    for (size_t i = 0; !why && i < YAJL_GET_OBJECT(object)->len; i++) {
        const char *key = YAJL_GET_OBJECT(object)->keys[i];
        yajl_val value = YAJL_GET_OBJECT(object)->values[i];
        if (strcmp(key, "url") == 0 && (url || !YAJL_IS_STRING(value)))
            why = "the answer has a destination whose url is not one text";
        url = url || strcmp(key, "url") == 0;
        if (strcmp(key, "secret") == 0 && YAJL_IS_STRING(value) &&
            is_reference(YAJL_GET_STRING(value)))
            why = "the answer names a secret of the server's";
        if (strcmp(key, "headers") == 0)
            why = check_headers(value);
    }
    return why ? why : url ? NULL : "the answer has a destination without a url";
}

static const char *check_one(yajl_val value)
{
    if (YAJL_IS_STRING(value))
        return *YAJL_GET_STRING(value) ? NULL : "the answer has an empty destination";
    return YAJL_IS_OBJECT(value) ? check_object(value)
                                 : "the answer's destinations are not texts or objects";
}

static const char *check_list(yajl_val list)
{
    const char *why = NULL;
    if (YAJL_GET_ARRAY(list)->len > MAX_DESTINATIONS)
        return "the answer has more than 100 destinations";
    for (size_t i = 0; !why && i < YAJL_GET_ARRAY(list)->len; i++)
        why = check_one(YAJL_GET_ARRAY(list)->values[i]);
    return why;
}

/* The object's `destinations`, or the value itself; NULL: there are two. */
static yajl_val destinations_of(yajl_val root)
{
    yajl_val found = NULL;
    for (size_t i = 0; YAJL_IS_OBJECT(root) && i < YAJL_GET_OBJECT(root)->len; i++)
        if (strcmp(YAJL_GET_OBJECT(root)->keys[i], "destinations") == 0) {
            if (found)
                return NULL;
            found = YAJL_GET_OBJECT(root)->values[i];
        }
    return found ? found : root;
}

static yajl_val parse(const char *body, size_t size)
{
    char error[200];
    char *text = memchr(body, '\0', size) ? NULL : strndup(body, size);
    yajl_val root = text ? yajl_tree_parse(text, error, sizeof error) : NULL;
    free(text);
    return root;
}

struct lookup_answer *http_answer_read(const char *body, size_t size, const char **why)
{
    struct lookup_answer *answer = NULL;
    yajl_val root = parse(body, size), value = root ? destinations_of(root) : NULL;
    *why = !root                  ? "the answer is not JSON"
           : !value               ? "the answer has destinations twice"
           : YAJL_IS_ARRAY(value) ? check_list(value)
                                  : check_one(value);
    if (!*why) {
        bool none = YAJL_IS_ARRAY(value) && YAJL_GET_ARRAY(value)->len == 0;
        answer = none ? lookup_answer_new(LOOKUP_NONE, NULL, 0)
                      : lookup_answer_new(LOOKUP_FOUND, body, size);
        *why = answer ? NULL : "out of memory";
    }
    yajl_tree_free(root);
    return answer;
}
