/*
 * json.h - writes JSON (RFC 8259) into a spill, a value at a time and a string in pieces.
 *
 * Libraries that write JSON want a string whole; a message's text or attachment can be larger than
 * the memory that it may take. Whatever bytes it is given, the output is valid UTF-8: what is not
 * becomes U+FFFD, also where a character is cut over two pieces. Commas are its own business.
 *
 * The first error is kept; after it nothing is written, and json_finish() returns it.
 */
#ifndef MXHOOK_MAIL_JSON_H
#define MXHOOK_MAIL_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/spill.h"
#include "utf8.h"

#define JSON_BUFFER 16384u /* bytes that are collected before they go into the spill */

struct json {
    struct spill *out;
    int status;
    bool comma; /* before the next key or value */
    struct utf8_stream text;
    char rest[3]; /* of base64: bytes that wait until there are three */
    size_t rest_size;
    size_t used;
    char buffer[JSON_BUFFER];
};

/* Begins a document that is appended to `out`, which must outlive it. */
void json_init(struct json *json, struct spill *out);
/* Writes what is still in the buffer. 0, or the first error. */
int json_finish(struct json *json);

/* Goes on in an object that was begun elsewhere, and has a member already. */
void json_resume_object(struct json *json);

void json_begin_object(struct json *json);
void json_end_object(struct json *json);
void json_begin_array(struct json *json);
void json_end_array(struct json *json);
void json_key(struct json *json, const char *key);
void json_string(struct json *json, const char *text, size_t size);
void json_text(struct json *json, const char *text); /* NULL: null */
void json_number(struct json *json, int64_t number);
void json_null(struct json *json);
/* A time as RFC 3339 has it, in UTC with milliseconds; null for 0. */
void json_time(struct json *json, int64_t unix_ms);

/* A key and its value. */
void json_pair(struct json *json, const char *key, const char *text); /* NULL: null */
void json_pair_number(struct json *json, const char *key, int64_t number);
void json_pair_boolean(struct json *json, const char *key, bool flag);

/* A string in pieces: begin, sink as often as needed, end. The second sink is for text that is known to be valid UTF-8,
 * each piece of whole characters: it is not looked at again. One string has one of the two. */
void json_begin_string(struct json *json);
int json_string_sink(void *json, const char *bytes, size_t size);
int json_valid_sink(void *json, const char *bytes, size_t size);
void json_end_string(struct json *json);

/* A string of base64 (RFC 4648 section 4, no line breaks) of bytes in pieces. */
void json_begin_base64(struct json *json);
int json_base64_sink(void *json, const char *bytes, size_t size);
void json_end_base64(struct json *json);

#endif
