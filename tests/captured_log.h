/* captured_log.h - what a statement writes to stderr, to compare the lines of the log as a whole. */
#ifndef MXHOOK_TESTS_CAPTURED_LOG_H
#define MXHOOK_TESTS_CAPTURED_LOG_H

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char written[65536];
static FILE *capture;

/* Runs with stderr in a file, whose text is in `written` then. */
#define CAPTURE(statement)                                                                         \
    do {                                                                                           \
        int saved_ = begin_capture();                                                              \
        statement;                                                                                 \
        end_capture(saved_);                                                                       \
    } while (0)

static inline int begin_capture(void)
{
    int saved = dup(STDERR_FILENO);
    capture = tmpfile();
    dup2(fileno(capture), STDERR_FILENO);
    return saved;
}

static inline void end_capture(int saved)
{
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(capture);
    written[fread(written, 1, sizeof written - 1, capture)] = 0;
    fclose(capture);
}

/* How many lines have this in them. */
static inline int captured_lines(const char *text)
{
    int found = 0;
    for (const char *line = written, *end; *line; line = *end ? end + 1 : end) {
        end = strchrnul(line, '\n');
        found += memmem(line, (size_t)(end - line), text, strlen(text)) != NULL;
    }
    return found;
}

/* The first line and what follows, without its time. */
static inline const char *after_time(void)
{
    const char *space = strchr(written, ' ');
    return space ? space + 1 : written;
}

#endif
