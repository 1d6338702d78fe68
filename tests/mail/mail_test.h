/* mail_test.h - what the tests of this room share. Everything asserts that it worked. */
#ifndef MXHOOK_TESTS_MAIL_TEST_H
#define MXHOOK_TESTS_MAIL_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* after the others, as cmocka wants it */
#include <cmocka.h>

#include "mail/buffer.h"
#include "mail/message.h"
#include "mail/payload.h"

#define RECEIVED_SECONDS 1700000000 /* when every test message was received */

/* The bytes of a string literal with its NULs, and their number. */
#define BYTES(literal) (literal), sizeof(literal) - 1

/* A spill in a file, however small; the caller frees. */
struct spill *spill_in_file(const char *bytes, size_t size);

/* Both parse; message_free() frees. */
struct message *parse(const char *mail);
struct message *parse_bytes(const char *mail, size_t size);

/* The payload of a message for recipient@example.com at mx.example.com, as a C string; free() it.
 */
char *payload_of(const char *mail, size_t size);

/* The payload has this text, a piece of JSON; both are shown where it has not. */
void assert_payload(const char *mail, const char *expected);
void assert_no_payload(const char *mail, const char *unexpected);

/* A text or content as a C string; free() it. */
char *text_of(const struct message *message, enum part_role role);
char *content_of(const struct message *message, size_t part, size_t *size);

void assert_buffer(struct buffer *buffer, const char *expected); /* empties it */

#endif
