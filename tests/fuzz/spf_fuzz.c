/*
 * SPF with hostile senders and records: lines of input are the sender, the HELO name, then an
 * answer for each look-up in turn. It ends, and says something.
 */
#include <errno.h>
#include <string.h>

#include "auth/spf.h"
#include "fuzz.h"

struct input {
    const char *at, *end;
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    return 0;
}

/* The next line; again from the start where there is none left, so that loops are possible. */
static struct record next_line(struct input *input, const char *start)
{
    if (input->at >= input->end)
        input->at = start;
    const char *stop = memchr(input->at, '\n', (size_t)(input->end - input->at));
    stop = stop ? stop : input->end;
    struct record line = {(size_t)(stop - input->at), input->at};
    input->at = stop < input->end ? stop + 1 : input->end;
    return line;
}

static void copy(struct record line, char out[512])
{
    size_t size = line.size < 511 ? line.size : 511;
    memcpy(out, line.data, size);
    out[size] = 0;
}

/* "!": it fails; ".": there is none; else "|" separates records. */
static struct dns_answer *answer_from(struct record line, enum record_type type)
{
    struct record records[24];
    char texts[24][1100], name[512];
    size_t count = 0;
    if (line.size > 0 && *line.data == '!')
        return dns_answer_empty(DNS_FAILED, 0);
    for (size_t at = 0; at < line.size && *line.data != '.' && count < 24; count++) {
        const char *stop = memchr(line.data + at, '|', line.size - at);
        size_t size = (stop ? (size_t)(stop - line.data) : line.size) - at;
        struct record part = {size < 1000 ? size : 1000, line.data + at};
        at += size + 1;
        memset(texts[count], 0, 32);
        if (type == RECORD_A || type == RECORD_AAAA) {
            memcpy(texts[count], part.data, part.size < 16 ? part.size : 16);
            records[count] = (struct record){type == RECORD_A ? 4 : 16, texts[count]};
        } else if (type == RECORD_TXT) {
            size_t used = part.size > 0 && *part.data == '"' ? 0 : 7;
            memcpy(texts[count], "v=spf1 ", 7);
            memcpy(texts[count] + used, part.data, part.size);
            records[count] = (struct record){used + part.size, texts[count]};
        } else {
            copy(part, name);
            strcpy(texts[count], name);
            records[count] = (struct record){strlen(name), texts[count]};
        }
    }
    return dns_answer_make(records, count, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char sender[512], helo[512];
    struct input input = {(const char *)data, (const char *)data + size};
    const char *start = input.at;
    if (size == 0)
        return 0;
    const char *ip = data[0] & 1 ? "192.0.2.1" : "2001:db8::1";
    copy(next_line(&input, start), sender);
    copy(next_line(&input, start), helo);
    struct spf_query query = {ip, helo, sender, "here.example"};
    struct lookups lookups = {0};
    struct spf_result result;
    int code, rounds = 0;
    do {
        struct arena *arena = arena_new();
        EXPECT(arena != NULL);
        code = spf_check(&query, &lookups, arena, &result);
        EXPECT(code == 0 || code == -EAGAIN);
        EXPECT(code == -EAGAIN || auth_code_name(result.code));
        size_t news = 0;
        for (size_t i = 0; i < lookups.count; i++) {
            if (lookups.items[i].answer)
                continue;
            lookups.items[i].answer = answer_from(next_line(&input, start), lookups.items[i].type);
            EXPECT(lookups.items[i].answer != NULL);
            news++;
        }
        EXPECT(code == 0 || news > 0);
        EXPECT(++rounds <= LOOKUPS_MAX + 1);
        arena_free(arena);
    } while (code == -EAGAIN);
    lookups_free(&lookups);
    return 0;
}
