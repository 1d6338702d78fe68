#include "mail_test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct spill *spill_in_file(const char *bytes, size_t size)
{
    char path[] = "/tmp/mxhook-test-XXXXXX";
    struct spill *spill;
    FILE *file = fdopen(mkstemp(path), "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(spill_open(&spill, path), 0);
    assert_int_equal(remove(path), 0);
    return spill;
}

struct message *parse_bytes(const char *mail, size_t size)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct message *message;
    struct error err;
    pthread_once(&once, message_init);
    struct spill *spill = spill_from_bytes(mail, size);
    assert_non_null(spill);
    assert_int_equal(message_parse(spill, RECEIVED_SECONDS, &message, &err), 0);
    spill_free(spill);
    return message;
}

struct message *parse(const char *mail)
{
    return parse_bytes(mail, strlen(mail));
}

char *payload_of(const char *mail, size_t size)
{
    struct envelope envelope = {
        .sender = "sender@example.net", .helo = "client.example.net", .client_ip = "192.0.2.1"};
    struct message *message = parse_bytes(mail, size);
    struct spill *out = spill_new("/tmp", NULL);
    struct arena *arena = arena_new();
    struct header_list headers;
    struct receiver receiver = {.hostname = "mx.example.com"};
    assert_non_null(out);
    assert_non_null(arena);
    assert_int_equal(
        payload_headers(message, &envelope, "recipient@example.com", &receiver, arena, &headers),
        0);
    assert_int_equal(payload_write_head(&headers, out), 0);
    assert_int_equal(payload_write_tail(message, &envelope, out), 0);
    size_t written = (size_t)spill_size(out);
    char *text = malloc(written + 1);
    assert_non_null(text);
    assert_int_equal(spill_read(out, 0, text, written), written);
    text[written] = 0;
    header_list_free(&headers);
    arena_free(arena);
    spill_free(out);
    message_free(message);
    return text;
}

void assert_payload(const char *mail, const char *expected)
{
    char *payload = payload_of(mail, strlen(mail));
    if (!strstr(payload, expected))
        fail_msg("no  %s\nin  %s", expected, payload);
    free(payload);
}

void assert_no_payload(const char *mail, const char *unexpected)
{
    char *payload = payload_of(mail, strlen(mail));
    if (strstr(payload, unexpected))
        fail_msg("%s\nstands in  %s", unexpected, payload);
    free(payload);
}

static char *take(struct buffer *buffer, size_t *size)
{
    assert_int_equal(buffer_append_byte(buffer, 0), 0);
    if (size)
        *size = buffer->size - 1;
    return buffer->bytes;
}

char *text_of(const struct message *message, enum part_role role)
{
    struct buffer buffer = {0};
    assert_int_equal(message_read_text(message, role, buffer_sink, &buffer), 0);
    return take(&buffer, NULL);
}

char *content_of(const struct message *message, size_t part, size_t *size)
{
    struct buffer buffer = {0};
    assert_in_range(part, 0, message->part_count - 1);
    assert_int_equal(part_read_content(message, &message->parts[part], buffer_sink, &buffer), 0);
    return take(&buffer, size);
}

void assert_buffer(struct buffer *buffer, const char *expected)
{
    char *text = take(buffer, NULL);
    assert_string_equal(text, expected);
    buffer_free(buffer);
}
