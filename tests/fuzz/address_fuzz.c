/* A field of addresses: mailboxes whose texts are valid UTF-8 come out, each with an email or a name. */
#include <string.h>

#include "fuzz.h"
#include "mail/address.h"
#include "mail/utf8.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    message_init();
    return 0;
}

static bool is_utf8(const char *text)
{
    return utf8_valid_size(text, strlen(text)) == strlen(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct address_reader reader = {0};
    struct mailbox_list list;
    struct arena *arena = arena_new();
    EXPECT(arena != NULL);
    EXPECT(address_read(&reader, arena, (const char *)data, size) == 0);
    EXPECT(address_finish(&reader, arena, &list) == 0);
    for (size_t i = 0; i < list.count; i++) {
        const struct mailbox *mailbox = &list.items[i];
        EXPECT(mailbox->email || mailbox->name);
        EXPECT(!mailbox->name || *mailbox->name);
        EXPECT(!mailbox->name || is_utf8(mailbox->name));
        EXPECT(!mailbox->email || is_utf8(mailbox->email));
    }
    arena_free(arena);
    return 0;
}
