#include "transfer.h"

#include <gmime/gmime.h>
#include <string.h>

#include "../base/ascii.h"
#include "../base/swar.h"

void transfer_init(struct transfer *transfer, int encoding, enum uu_start start)
{
    *transfer = (struct transfer){.kind = TRANSFER_PLAIN, .before_begin = start == UU_AT_BEGIN};
    if (encoding == GMIME_CONTENT_ENCODING_BASE64)
        transfer->kind = TRANSFER_BASE64;
    else if (encoding == GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE)
        transfer->kind = TRANSFER_QUOTED;
    else if (encoding == GMIME_CONTENT_ENCODING_UUENCODE && start != UU_NONE)
        transfer->kind = TRANSFER_UU;
}

/* --- Quoted-printable --- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_special(char c)
{
    return c == '=' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* What was held is text after all. */
static size_t release(struct transfer *transfer, char *out)
{
    size_t size = transfer->held_size;
    memcpy(out, transfer->held, size);
    transfer->held_size = 0;
    return size;
}

/* A line ends: blanks before it go, and with a "=" it goes itself. */
static size_t end_line(struct transfer *transfer, char *out)
{
    const char *held = transfer->held;
    size_t size = transfer->held_size;
    bool soft = size > 0 && held[0] == '=', cr = size > 0 && held[size - 1] == '\r';
    transfer->held_size = 0;
    if (soft)
        return 0;
    memcpy(out, cr ? "\r\n" : "\n", cr ? 2 : 1);
    return cr ? 2 : 1;
}

/* The next byte where something is held: "=", blanks, or both, and maybe a CR behind them. */
static size_t write_held(struct transfer *transfer, char c, bool *again, char *out)
{
    char *held = transfer->held;
    size_t size = transfer->held_size;
    *again = false;
    if (c == '\n')
        return end_line(transfer, out);
    if (held[0] == '=' && size == 2 && hex_digit(held[1]) >= 0) {
        int byte = hex_digit(c) >= 0 ? hex_digit(held[1]) << 4 | hex_digit(c) : -1;
        if (byte < 0) {
            *again = true;
            return release(transfer, out);
        }
        transfer->held_size = 0;
        *out = (char)byte;
        return 1;
    }
    bool fits = size < sizeof transfer->held && held[size - 1] != '\r' &&
                (is_blank(c) || c == '\r' || (held[0] == '=' && size == 1 && hex_digit(c) >= 0));
    if (!fits) {
        *again = true;
        return release(transfer, out);
    }
    held[transfer->held_size++] = c;
    return 0;
}

/* Copies up to the end of the line or the next "="; returns how much that is. It may write some bytes more. */
static size_t copy_text(const char *bytes, size_t size, char *out)
{
    size_t at = 0;
    for (; size - at >= SWAR_SIZE; at += SWAR_SIZE) {
        uint64_t word = swar_load(bytes + at);
        uint64_t stop = swar_equal(word, '=') | swar_equal(word, '\n');
        memcpy(out + at, bytes + at, SWAR_SIZE);
        if (stop)
            return at + swar_first(stop);
    }
    for (; at < size && bytes[at] != '=' && bytes[at] != '\n'; at++)
        out[at] = bytes[at];
    return at;
}

/* How much of a text of this size, which ends where something special is or at the end of what is known, is text as it
 * stands: without what is held. */
static size_t literal_size(const char *bytes, size_t size)
{
    size_t end = size, held = sizeof((struct transfer *)0)->held;
    size_t least =
        end > held ? end - held : 0; /* so that blanks without end are not walked again and again */
    while (end > least && is_special(bytes[end - 1]))
        end--;
    return end;
}

/* Text behind which there is a line's end with nothing that may go: returns its size together with that; else 0. */
static size_t whole_line(const char *bytes, size_t text, size_t size)
{
    size_t end = text > 0 && bytes[text - 1] == '\r' ? text - 1 : text;
    bool whole = text < size && bytes[text] == '\n' && (end == 0 || !is_special(bytes[end - 1]));
    return whole ? text + 1 : 0;
}

/* Encoded bytes and soft line breaks that follow each other; returns how much of the input they are. */
static size_t take_encoded(const char *bytes, size_t size, char *out, size_t *total)
{
    size_t at = 0;
    while (size - at > 2 && bytes[at] == '=') {
        int byte = hex_byte(bytes + at + 1, bytes + size);
        if (byte >= 0)
            out[(*total)++] = (char)byte;
        else if (bytes[at + 1] != '\r' || bytes[at + 2] != '\n')
            break;
        at += 3;
    }
    return at;
}

static size_t write_quoted(struct transfer *transfer, const char *bytes, size_t size, char *out)
{
    size_t total = 0;
    for (size_t at = 0; at < size;) {
        bool again;
        if (transfer->held_size > 0) {
            total += write_held(transfer, bytes[at], &again, out + total);
            at += !again;
            continue;
        }
        size_t text = copy_text(bytes + at, size - at, out + total);
        size_t whole = whole_line(bytes + at, text, size - at);
        if (whole)
            out[total + whole - 1] = '\n';
        text = whole ? whole : literal_size(bytes + at, text);
        total += text;
        at += text;
        size_t encoded = take_encoded(bytes + at, size - at, out, &total);
        at += encoded;
        if (!whole && encoded == 0 && at < size)
            transfer->held[transfer->held_size++] = bytes[at++];
    }
    return total;
}

/* --- Uuencode --- */

static size_t uu_size(char length)
{
    return (size_t)((length - ' ') & 0x3F);
}

static bool is_begin(const char *line, size_t size)
{
    return size >= 6 && memcmp(line, "begin ", 6) == 0;
}

/* Can it be a line of data? It has a length, and no more than that needs. */
static bool is_data(const char *line, size_t size)
{
    if (size < 2 || size > 66)
        return false;
    for (size_t i = 0; i < size; i++)
        if (line[i] < ' ' || line[i] > '`')
            return false;
    size_t letters = (uu_size(line[0]) + 2) / 3 * 4;
    return letters > 0 && size - 1 <= letters + 1;
}

static void end_of_line(struct uu_search *search)
{
    search->begin = search->begin || is_begin(search->line, search->line_size);
    if (!search->first_seen && search->line_size > 0) {
        search->first_seen = true;
        search->data_first = is_data(search->line, search->line_size);
    }
    search->line_size = 0;
}

void uu_search(struct uu_search *search, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size && !search->begin; i++) {
        if (bytes[i] == '\n')
            end_of_line(search);
        else if (bytes[i] != '\r' && search->line_size < sizeof search->line)
            search->line[search->line_size++] = bytes[i];
    }
}

enum uu_start uu_found(struct uu_search *search)
{
    end_of_line(search);
    return search->begin ? UU_AT_BEGIN : search->data_first ? UU_AT_ONCE : UU_NONE;
}

/* A line of data; letters that are cut off its end were spaces, which are zeros. */
static size_t decode_line(const char *line, size_t size, char *out)
{
    size_t length = uu_size(line[0]), total = 0;
    for (size_t at = 1; total < length; at += 4) {
        unsigned bits = 0;
        for (size_t i = 0; i < 4; i++)
            bits = bits << 6 | (at + i < size ? (unsigned)((line[at + i] - ' ') & 0x3F) : 0);
        for (int shift = 16; shift >= 0 && total < length; shift -= 8)
            out[total++] = (char)(bits >> shift);
    }
    return total;
}

static size_t end_uu_line(struct transfer *transfer, char *out)
{
    const char *line = transfer->held;
    size_t size = transfer->held_size;
    transfer->held_size = 0;
    if (transfer->after_end || size == 0)
        return 0;
    if (transfer->before_begin) {
        transfer->before_begin = !is_begin(line, size);
        return 0;
    }
    transfer->after_end = size >= 3 && memcmp(line, "end", 3) == 0 && (size == 3 || line[3] == ' ');
    return transfer->after_end ? 0 : decode_line(line, size, out);
}

static size_t write_uu(struct transfer *transfer, const char *bytes, size_t size, char *out)
{
    size_t total = 0;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\n')
            total += end_uu_line(transfer, out + total);
        else if (bytes[i] != '\r' && transfer->held_size < sizeof transfer->held)
            transfer->held[transfer->held_size++] = bytes[i];
    }
    return total;
}

/* --- All --- */

size_t transfer_write(struct transfer *transfer, const char *bytes, size_t size, char *out)
{
    switch (transfer->kind) {
    case TRANSFER_BASE64: return base64_stream_write(&transfer->base64, bytes, size, out);
    case TRANSFER_QUOTED: return write_quoted(transfer, bytes, size, out);
    case TRANSFER_UU: return write_uu(transfer, bytes, size, out);
    case TRANSFER_PLAIN: break;
    }
    memcpy(out, bytes, size);
    return size;
}

/* Blanks at the end of a text go, and so does the "=" of a line that never goes on. */
static size_t end_quoted(struct transfer *transfer, char *out)
{
    const char *held = transfer->held;
    bool goes = transfer->held_size > 0 &&
                (is_blank(held[0]) || transfer->held_size == 1 || is_space(held[1]));
    if (goes && held[0] != '\r')
        transfer->held_size = 0;
    return release(transfer, out);
}

size_t transfer_end(struct transfer *transfer, char *out)
{
    switch (transfer->kind) {
    case TRANSFER_BASE64: return base64_stream_end(&transfer->base64, out);
    case TRANSFER_QUOTED: return end_quoted(transfer, out);
    case TRANSFER_UU: return end_uu_line(transfer, out);
    case TRANSFER_PLAIN: break;
    }
    return 0;
}
