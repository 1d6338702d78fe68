/*
 * A message in, a payload out: valid UTF-8 JSON by another library's parser, with the keys that are
 * promised and of the types that are promised; and the same from memory as from a file.
 */
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "mail/payload.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    message_init();
    return 0;
}

static struct spill *render(struct spill *data)
{
    struct message *message;
    struct error err;
    struct header_list headers;
    struct spill *out = spill_new("/tmp", NULL);
    struct envelope envelope = {.sender = "s@example.net", .helo = "h", .client_ip = "192.0.2.1"};
    EXPECT(out != NULL);
    EXPECT(message_parse(data, 1700000000, &message, &err) == 0);
    EXPECT(payload_headers(message, &envelope, "r@example.com",
                           &(struct receiver){.hostname = "mx.example.com"}, message->arena,
                           &headers) == 0);
    EXPECT(payload_write_head(&headers, out) == 0);
    EXPECT(payload_write_tail(message, &envelope, out) == 0);
    header_list_free(&headers);
    message_free(message);
    spill_free(data);
    return out;
}

/* The same bytes in a file; in memory really, for speed. */
static struct spill *in_file(const uint8_t *data, size_t size)
{
    char path[64];
    struct spill *spill;
    int fd = memfd_create("mail", 0);
    EXPECT(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    EXPECT(spill_open(&spill, path) == 0);
    close(fd);
    return spill;
}

static char *bytes_of(const struct spill *spill, size_t *size)
{
    *size = (size_t)spill_size(spill);
    char *bytes = malloc(*size + 1);
    EXPECT(bytes != NULL);
    EXPECT(spill_read(spill, 0, bytes, *size) == (ssize_t)*size);
    return bytes;
}

static bool is_text(const json_t *value)
{
    return json_is_string(value) || json_is_null(value);
}

static void check_parts(const json_t *parts, const char *last_key)
{
    size_t i;
    json_t *part;
    EXPECT(json_is_array(parts));
    json_array_foreach(parts, i, part)
    {
        EXPECT(json_object_size(part) == 4);
        EXPECT(json_is_string(json_object_get(part, "type")));
        EXPECT(is_text(json_object_get(part, "name")));
        EXPECT(json_is_string(json_object_get(part, "content")));
        EXPECT(is_text(json_object_get(part, last_key)));
    }
}

static void check_headers(json_t *headers)
{
    const char *name;
    json_t *value;
    EXPECT(json_is_object(headers));
    json_object_foreach(headers, name, value) EXPECT(json_is_string(value) || json_is_array(value));
}

static void check(const char *bytes, size_t size)
{
    json_error_t error;
    json_t *payload = json_loadb(bytes, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (!payload)
        fprintf(stderr, "%s\n%.*s\n", error.text, (int)size, bytes);
    EXPECT(payload != NULL);
    EXPECT(json_object_size(payload) == 12);
    check_headers(json_object_get(payload, "headers"));
    EXPECT(json_is_array(json_object_get(payload, "to")));
    EXPECT(is_text(json_object_get(json_object_get(payload, "from"), "email")));
    EXPECT(json_is_string(json_object_get(payload, "subject")));
    EXPECT(is_text(json_object_get(payload, "message-id")));
    EXPECT(is_text(json_object_get(payload, "date")));
    EXPECT(json_is_object(json_object_get(payload, "return-path")));
    EXPECT(json_is_integer(json_object_get(payload, "timestamp")));
    EXPECT(is_text(json_object_get(payload, "text")));
    EXPECT(is_text(json_object_get(payload, "html")));
    check_parts(json_object_get(payload, "inlines"), "cid");
    check_parts(json_object_get(payload, "attachments"), "encoding");
    json_decref(payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t written, again;
    struct spill *memory = spill_from_bytes(data, size);
    EXPECT(memory != NULL);
    struct spill *out = render(memory), *other = render(in_file(data, size));
    char *bytes = bytes_of(out, &written), *same = bytes_of(other, &again);
    check(bytes, written);
    EXPECT(written == again && memcmp(bytes, same, written) == 0);
    free(bytes);
    free(same);
    spill_free(out);
    spill_free(other);
    return 0;
}
