#include "address.h"

#include <errno.h>
#include <gmime/gmime.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "words.h"

/* GMime's parser takes some 350 bytes of memory an address, so it is given long fields in pieces.
 */
#define CHUNK_SIZE 16384u

static int append(struct address_reader *reader, struct arena *arena, const char *name,
                  const char *email)
{
    if (reader->count == ADDRESSES_MAX)
        return 0;
    if (reader->count == reader->capacity) {
        size_t capacity = reader->capacity ? reader->capacity * 2 : 8;
        struct mailbox *grown = realloc(reader->items, capacity * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        reader->items = grown;
        reader->capacity = capacity;
    }
    struct mailbox *mailbox = &reader->items[reader->count];
    mailbox->name = name && *name ? arena_strdup(arena, name) : NULL;
    mailbox->email = arena_strdup(arena, email ? email : "");
    if (!mailbox->email || (name && *name && !mailbox->name))
        return -ENOMEM;
    reader->count++;
    return 0;
}

static int append_list(struct address_reader *reader, struct arena *arena,
                       InternetAddressList *list)
{
    int status = 0;
    int count = list ? internet_address_list_length(list) : 0;
    for (int i = 0; i < count && status == 0; i++) {
        InternetAddress *address = internet_address_list_get_address(list, i);
        if (INTERNET_ADDRESS_IS_MAILBOX(address))
            status = append(reader, arena, internet_address_get_name(address),
                            internet_address_mailbox_get_addr((InternetAddressMailbox *)address));
    }
    return status;
}

/* GMime translates "xn--" domains (IDNA), but only where they are spelled so. Addresses are to stay
 * as they were written: so it is shown another spelling. */
static const char idna[] = "xn--", hidden[] = "Xn--";

static void respell(char *text, const char *from, const char *to)
{
    while ((text = strstr(text, from)))
        memcpy(text, to, sizeof idna - 1);
}

/* A field without an address that GMime can read, as "Ann Bee a@b.example": the first word with an
 * @ is taken for the address, and what is before it for the name. */
static int salvage(struct address_reader *reader, struct arena *arena, char *text)
{
    static const char ends[] = " \t<>()[],;:\"";
    char *sign = strchr(text, '@'), *begin = sign;
    if (!sign)
        return 0;
    while (begin > text && !strchr(ends, begin[-1]))
        begin--;
    size_t size = strcspn(begin, ends);
    if (begin == sign || begin + size == sign + 1)
        return 0;
    char *email = arena_strndup(arena, begin, size);
    while (begin > text && strchr(ends, begin[-1]))
        begin--;
    *begin = 0;
    return email ? append(reader, arena, text + strspn(text, ends), email) : -ENOMEM;
}

static int parse(struct address_reader *reader, struct arena *arena, char *text)
{
    size_t first = reader->count;
    bool hide = strstr(text, idna) != NULL;
    if (hide)
        respell(text, idna, hidden);
    InternetAddressList *list = internet_address_list_parse(NULL, text);
    int status = append_list(reader, arena, list);
    if (!list || internet_address_list_length(list) == 0)
        status = salvage(reader, arena, text);
    if (list)
        g_object_unref(list);
    for (size_t i = first; hide && i < reader->count; i++) {
        respell((char *)reader->items[i].email, hidden, idna);
        if (reader->items[i].name)
            respell((char *)reader->items[i].name, hidden, idna);
    }
    return status;
}

/* Where in a list a character stands. */
struct place {
    bool quoted, angles, brackets;
    unsigned comments; /* how deep */
};

/* Follows one character; true where it stands between addresses and is one of `,;:`. Moves *at over
 * what a backslash quotes. */
static bool separates(struct place *place, const char *text, size_t size, size_t *at)
{
    char c = text[*at];
    if (c == '\\' && *at + 1 < size)
        ++*at;
    else if (place->quoted)
        place->quoted = c != '"';
    else if (c == '(')
        place->comments++;
    else if (c == ')')
        place->comments -= place->comments > 0;
    else if (place->comments > 0)
        return false;
    else if (c == '"')
        place->quoted = true;
    else if (c == '[' || c == ']')
        place->brackets = c == '[';
    else if (c == '<' || c == '>')
        place->angles = c == '<';
    else
        return (c == ',' || c == ';' || c == ':') && !place->angles && !place->brackets;
    return false;
}

/* Makes groups plain lists: their names are blanked, their ends are commas. GMime would call itself
 * for each group in a group, and some mailers write semicolons for commas. */
static void flatten_groups(char *text, size_t size)
{
    struct place place = {0};
    size_t begin = 0;
    for (size_t at = 0; at < size; at++) {
        if (!separates(&place, text, size, &at))
            continue;
        if (text[at] == ':')
            memset(text + begin, ' ', at + 1 - begin);
        else
            text[at] = ',';
        begin = at + 1;
    }
}

/* The first comma between addresses at or after `from`; `size` where there is none. */
static size_t cut_after(const char *text, size_t size, size_t from)
{
    struct place place = {0};
    for (size_t at = 0; at < size; at++)
        if (separates(&place, text, size, &at) && at >= from)
            return at;
    return size;
}

int address_read(struct address_reader *reader, struct arena *arena, const char *raw, size_t size)
{
    struct buffer text = {0};
    int status = words_decode_addresses(&text, raw, size);
    if (status == 0)
        status = buffer_append_byte(&text, 0);
    if (status == 0)
        flatten_groups(text.bytes, text.size - 1);
    for (size_t at = 0; status == 0 && at + 1 < text.size && reader->count < ADDRESSES_MAX;) {
        size_t left = text.size - 1 - at;
        size_t take = left > CHUNK_SIZE ? cut_after(text.bytes + at, left, CHUNK_SIZE) : left;
        text.bytes[at + take] = 0;
        status = parse(reader, arena, text.bytes + at);
        at += take + 1;
    }
    buffer_free(&text);
    return status;
}

int address_finish(struct address_reader *reader, struct arena *arena, struct mailbox_list *list)
{
    size_t size = reader->count * sizeof *reader->items;
    int status = 0;
    *list = (struct mailbox_list){0};
    if (size > 0) {
        list->items = arena_alloc(arena, size);
        if (list->items) {
            memcpy(list->items, reader->items, size);
            list->count = reader->count;
        } else {
            status = -ENOMEM;
        }
    }
    free(reader->items);
    *reader = (struct address_reader){0};
    return status;
}
