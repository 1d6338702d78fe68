/*
 * Header fields: decoding encoded words gives valid UTF-8, once decoded plain text stays as it is;
 * parameters likewise; and the fields of a block never overlap or leave it.
 */
#include <string.h>

#include "fuzz.h"
#include "mail/buffer.h"
#include "mail/fields.h"
#include "mail/params.h"
#include "mail/utf8.h"
#include "mail/words.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    return 0;
}

static void check_text(struct buffer *text)
{
    EXPECT(text->size == 0 || utf8_valid_size(text->bytes, text->size) == text->size);
    buffer_free(text);
}

static void check_value(const char *value, size_t size)
{
    static const char *const names[] = {"charset", "boundary", "name", "filename"};
    struct buffer text = {0};
    char type[64], token[16];
    EXPECT(words_decode(&text, value, size) == 0);
    check_text(&text);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        params_text(value, size, names[i], &text);
        check_text(&text);
        params_bytes(value, size, names[i], &text);
        buffer_free(&text);
    }
    if (params_type(value, size, type, sizeof type))
        EXPECT(strchr(type, '/') != NULL);
    params_token(value, size, token, sizeof token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *block = (const char *)data, *before = block;
    struct field field;
    check_value(block, size);
    for (size_t at = 0; field_next(block, size, &at, &field);) {
        EXPECT(at <= size && field.name >= before && field.name_size > 0);
        EXPECT(field.value > field.name && field.value + field.value_size <= block + at);
        before = block + at;
        check_value(field.value, field.value_size);
    }
    return 0;
}
