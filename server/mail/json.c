#include "json.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../base/decimal.h"
#include "../base/swar.h"

#define BASE64_STEP 6144u /* bytes of input at once: three for four of the buffer */
#define TEXT_STEP   512u  /* bytes of a string at once */
#define ESCAPED_MAX 6u    /* what a byte may become */

void json_init(struct json *json, struct spill *out)
{
    /* The buffer is not cleared. */
    json->out = out;
    json->status = 0;
    json->comma = false;
    json->text = (struct utf8_stream){0};
    json->used = 0;
}

static void flush(struct json *json)
{
    if (json->status == 0 && json->used > 0)
        json->status = spill_write(json->out, json->buffer, json->used);
    json->used = 0;
}

int json_finish(struct json *json)
{
    flush(json);
    return json->status;
}

static void put(struct json *json, const char *bytes, size_t size)
{
    if (size > JSON_BUFFER - json->used) {
        flush(json);
        if (size > JSON_BUFFER) {
            if (json->status == 0)
                json->status = spill_write(json->out, bytes, size);
            return;
        }
    }
    memcpy(json->buffer + json->used, bytes, size);
    json->used += size;
}

static void put_byte(struct json *json, char byte)
{
    put(json, &byte, 1);
}

/* Begins a key or a value. */
static void begin(struct json *json)
{
    if (json->comma)
        put_byte(json, ',');
    json->comma = true;
}

void json_resume_object(struct json *json)
{
    json->comma = true;
}

static void open_with(struct json *json, char bracket)
{
    begin(json);
    put_byte(json, bracket);
    json->comma = false;
}

static void close_with(struct json *json, char bracket)
{
    put_byte(json, bracket);
    json->comma = true;
}

void json_begin_object(struct json *json)
{
    open_with(json, '{');
}

void json_end_object(struct json *json)
{
    close_with(json, '}');
}

void json_begin_array(struct json *json)
{
    open_with(json, '[');
}

void json_end_array(struct json *json)
{
    close_with(json, ']');
}

/* What a byte of a string needs: 0 nothing, 'u' the long form, else the letter after a backslash.
 */
static const char escapes[256] = {
    [0] = 'u',  [1] = 'u',    [2] = 'u',    [3] = 'u',    [4] = 'u',   [5] = 'u',     [6] = 'u',
    [7] = 'u',  ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', [11] = 'u',  ['\f'] = 'f',  ['\r'] = 'r',
    [14] = 'u', [15] = 'u',   [16] = 'u',   [17] = 'u',   [18] = 'u',  [19] = 'u',    [20] = 'u',
    [21] = 'u', [22] = 'u',   [23] = 'u',   [24] = 'u',   [25] = 'u',  [26] = 'u',    [27] = 'u',
    [28] = 'u', [29] = 'u',   [30] = 'u',   [31] = 'u',   ['"'] = '"', ['\\'] = '\\',
};

/* Writes a byte as it stands in a string; returns the end of that. */
static char *escape(char *out, unsigned char c)
{
    char letter = escapes[c];
    if (letter)
        *out++ = '\\';
    *out++ = letter ? letter : (char)c;
    if (letter != 'u')
        return out;
    *out++ = '0';
    *out++ = '0';
    *out++ = (char)('0' + (c >> 4));
    *out++ = "0123456789abcdef"[c & 15];
    return out;
}

/* Text that is valid UTF-8, eight bytes at a time up to the next one to escape. There is room for ESCAPED_MAX times
 * `size`. Returns the end of what was written. */
static char *write_escaped(char *out, const char *bytes, size_t size)
{
    const char *end = bytes + size;
    while ((size_t)(end - bytes) >= SWAR_SIZE) {
        uint64_t word = swar_load(bytes);
        /* With this bit changed a quote follows the controls, and what was there does not. */
        uint64_t special =
            swar_below(word ^ (SWAR_ONES * ('"' ^ ' ')), ' ' + 1) | swar_equal(word, '\\');
        size_t plain = special ? swar_first(special) : SWAR_SIZE;
        memcpy(out, bytes, SWAR_SIZE);
        out += plain;
        bytes += plain;
        if (special)
            out = escape(out, (unsigned char)*bytes++);
    }
    while (bytes < end)
        out = escape(out, (unsigned char)*bytes++);
    return out;
}

int json_valid_sink(void *context, const char *bytes, size_t size)
{
    struct json *json = context;
    while (size > 0 && json->status == 0) {
        size_t step = size < TEXT_STEP ? size : TEXT_STEP;
        if (JSON_BUFFER - json->used < ESCAPED_MAX * step)
            flush(json);
        char *out = json->buffer + json->used;
        json->used += (size_t)(write_escaped(out, bytes, step) - out);
        bytes += step;
        size -= step;
    }
    return json->status;
}

void json_begin_string(struct json *json)
{
    begin(json);
    put_byte(json, '"');
}

int json_string_sink(void *context, const char *bytes, size_t size)
{
    struct json *json = context;
    return utf8_stream_write(&json->text, bytes, size, json_valid_sink, json);
}

void json_end_string(struct json *json)
{
    utf8_stream_end(&json->text, json_valid_sink, json);
    put_byte(json, '"');
}

void json_string(struct json *json, const char *text, size_t size)
{
    json_begin_string(json);
    json_string_sink(json, text, size);
    json_end_string(json);
}

void json_text(struct json *json, const char *text)
{
    if (text)
        json_string(json, text, strlen(text));
    else
        json_null(json);
}

void json_key(struct json *json, const char *key)
{
    json_string(json, key, strlen(key));
    put_byte(json, ':');
    json->comma = false;
}

void json_number(struct json *json, int64_t number)
{
    char text[DECIMAL_SIZE];
    begin(json);
    put(json, text, (size_t)(decimal_put(text, number) - text));
}

void json_null(struct json *json)
{
    begin(json);
    put(json, "null", 4);
}

void json_time(struct json *json, int64_t unix_ms)
{
    char text[40], fraction[8];
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm tm;
    if (unix_ms <= 0 || !gmtime_r(&seconds, &tm)) {
        json_null(json);
        return;
    }
    size_t size = strftime(text, sizeof text - sizeof fraction, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + size, sizeof fraction, ".%03dZ", (int)(unix_ms % 1000));
    json_text(json, text);
}

void json_pair(struct json *json, const char *key, const char *text)
{
    json_key(json, key);
    json_text(json, text);
}

void json_pair_number(struct json *json, const char *key, int64_t number)
{
    json_key(json, key);
    json_number(json, number);
}

void json_pair_boolean(struct json *json, const char *key, bool flag)
{
    json_key(json, key);
    begin(json);
    put(json, flag ? "true" : "false", flag ? 4 : 5);
}

void json_begin_base64(struct json *json)
{
    begin(json);
    put_byte(json, '"');
    json->rest_size = 0;
}

/* Encodes three bytes as four letters. GLib's encoder takes twice as long, and this is most of the
 * work on an attachment. */
static void encode_three(const unsigned char *in, char *out)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out[0] = letters[in[0] >> 2];
    out[1] = letters[(in[0] & 3) << 4 | in[1] >> 4];
    out[2] = letters[(in[1] & 15) << 2 | in[2] >> 6];
    out[3] = letters[in[2] & 63];
}

/* Encodes as many whole threes as there are, up to BASE64_STEP; returns how many bytes that are. */
static size_t encode_threes(struct json *json, const char *bytes, size_t size)
{
    size_t whole = (size < BASE64_STEP ? size : BASE64_STEP) / 3 * 3;
    if (JSON_BUFFER - json->used < whole / 3 * 4)
        flush(json);
    char *out = json->buffer + json->used;
    for (size_t at = 0; at < whole; at += 3, out += 4)
        encode_three((const unsigned char *)bytes + at, out);
    json->used = (size_t)(out - json->buffer);
    return whole;
}

int json_base64_sink(void *context, const char *bytes, size_t size)
{
    struct json *json = context;
    while (size > 0 && (json->rest_size > 0 || size < 3)) {
        json->rest[json->rest_size++] = *bytes++;
        size--;
        if (json->rest_size == 3) {
            encode_threes(json, json->rest, 3);
            json->rest_size = 0;
        }
    }
    while (size >= 3 && json->status == 0) {
        size_t done = encode_threes(json, bytes, size);
        bytes += done;
        size -= done;
    }
    if (size > 0 && json->status == 0)
        memcpy(json->rest, bytes, json->rest_size = size);
    return json->status;
}

void json_end_base64(struct json *json)
{
    char last[4];
    if (json->rest_size > 0) {
        memset(json->rest + json->rest_size, 0, 3 - json->rest_size);
        encode_three((const unsigned char *)json->rest, last);
        memset(last + json->rest_size + 1, '=', 3 - json->rest_size);
        put(json, last, 4);
    }
    put_byte(json, '"');
}
