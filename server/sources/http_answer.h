/* http_answer.h - for http.c: what an application has answered, checked. */
#ifndef MXHOOK_SOURCES_HTTP_ANSWER_H
#define MXHOOK_SOURCES_HTTP_ANSWER_H

#include "../lookup/lookup_answer.h"

/* The body of a 200, whose JSON is a destination (a text, or an object with a url), a list of them, or an object with
 * such a one as `destinations`; nothing in it may name an environment variable or a file, which are the server's. A
 * reference: FOUND with the body, or NONE where the list is empty; NULL with *why. */
struct lookup_answer *http_answer_read(const char *body, size_t size, const char **why);

#endif
