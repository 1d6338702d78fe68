/* What the other server said, and to which command. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "../base/ascii.h"

#include "smtp_transfer.h"

static void enter(struct smtp_dialogue *d, enum smtp_phase phase)
{
    d->phase = phase;
    d->code = 0;
    d->size = 0;
    d->inside = false;
}

void smtp_note_command(struct smtp_dialogue *d, const char *bytes, size_t size)
{
    static const struct {
        const char *verb;
        enum smtp_phase phase;
    } commands[] = {{"EHLO ", SMTP_EHLO},   {"HELO ", SMTP_EHLO},      {"STARTTLS", SMTP_STARTTLS},
                    {"AUTH ", SMTP_AUTH},   {"MAIL FROM:", SMTP_MAIL}, {"RCPT TO:", SMTP_RCPT},
                    {"DATA\r\n", SMTP_DATA}};
    /* Before anything else it is for another connection, which is closed to make room. */
    d->over = d->over || (d->phase != SMTP_CONNECT && size >= 4 && memcmp(bytes, "QUIT", 4) == 0);
    for (size_t i = 0; i < sizeof commands / sizeof *commands && !d->over; i++) {
        size_t length = strlen(commands[i].verb);
        if (size >= length && memcmp(bytes, commands[i].verb, length) == 0) {
            enter(d, commands[i].phase);
            return;
        }
    }
}

/* RFC 5321 section 4.2: three digits, and "-" on all lines but the last. 0: not a reply's line. */
static int line_code(const char *bytes, size_t size)
{
    if (size < 3 || bytes[0] < '2' || bytes[0] > '5' || !isdigit((unsigned char)bytes[1]) ||
        !isdigit((unsigned char)bytes[2]))
        return 0;
    return (bytes[0] - '0') * 100 + (bytes[1] - '0') * 10 + bytes[2] - '0';
}

static void note_keyword(struct smtp_dialogue *d, const char *bytes, size_t size)
{
    static const char keyword[] = "SMTPUTF8";
    size_t length = sizeof keyword - 1;
    if (d->phase == SMTP_EHLO && size >= 4 + length &&
        strncasecmp(bytes + 4, keyword, length) == 0 &&
        (size == 4 + length || strchr(" \r\n", bytes[4 + length])))
        d->offers_utf8 = true;
}

void smtp_note_line(struct smtp_dialogue *d, const char *bytes, size_t size)
{
    int code = line_code(bytes, size);
    d->bytes += size;
    if (d->over || code == 0)
        return;
    if (!d->inside)
        d->size = 0;
    size_t room = sizeof d->text - d->size, kept = size < room ? size : room;
    memcpy(d->text + d->size, bytes, kept);
    d->size += kept;
    d->inside = size > 3 && bytes[3] == '-';
    note_keyword(d, bytes, size);
    if (d->inside)
        return;
    if (d->phase == SMTP_DATA && code == 354)
        enter(d, SMTP_END_OF_DATA);
    else
        d->code = code;
}

void smtp_name_command(const struct smtp_dialogue *d, char text[SMTP_COMMAND_SIZE])
{
    static const char *const names[] = {[SMTP_EHLO] = "EHLO",
                                        [SMTP_STARTTLS] = "STARTTLS",
                                        [SMTP_AUTH] = "AUTH",
                                        [SMTP_MAIL] = "MAIL FROM",
                                        [SMTP_RCPT] = "RCPT TO",
                                        [SMTP_DATA] = "DATA",
                                        [SMTP_END_OF_DATA] = "end of DATA"};
    *text = 0;
    if (names[d->phase])
        snprintf(text, SMTP_COMMAND_SIZE, " (in reply to %s)", names[d->phase]);
}

void smtp_describe(const struct smtp_dialogue *d, char *text, size_t size)
{
    char name[SMTP_COMMAND_SIZE] = "";
    if (d->code)
        smtp_name_command(d, name);
    size_t room = size - 1 - strlen(name), used = 0;
    for (size_t i = 0; i < d->size && used < room; i++) {
        char c = d->text[i];
        bool blank = c == ' ' || is_control(c);
        if (!blank || (used > 0 && text[used - 1] != ' '))
            text[used++] = blank ? ' ' : c;
    }
    while (used > 0 && text[used - 1] == ' ')
        used--;
    memcpy(text + used, name, strlen(name) + 1);
}
