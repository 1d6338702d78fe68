/*
 * stream.h - a connected socket, TLS inside it, and what waits to be written.
 *
 * content      what the client says, as it is inside TLS where that is on
 * end          the client says no more, or the socket broke; stream_state() tells which
 * upcalls      what its owner is told, always from the loop, never from inside a call of these
 *              functions; each only says that something changed, and may close the stream
 *
 * A stream never closes by itself, and keeps what it was given until its owner takes it: errors of
 * writing too are only noted, and told by closed(). So its owner can act on all of it in one place.
 * Memory of an idle stream: this struct and TLS's; all streams of a loop share one buffer to read
 * into, and only content that must wait is copied.
 *
 * Loop thread only. The process must ignore SIGPIPE.
 */
#ifndef MXHOOK_SMTP_STREAM_H
#define MXHOOK_SMTP_STREAM_H

#include <stdbool.h>
#include <uv.h>

#include "tls.h"

#define STREAM_READ_SIZE (64u * 1024u) /* bytes of one read, and of the shared buffer */

enum stream_state {
    STREAM_OPEN,
    STREAM_ENDED,      /* the client closed its side, or TLS; what it said before was taken */
    STREAM_TLS_FAILED, /* stream_reason() says why; replies may still go out in the clear */
    STREAM_BROKEN,     /* stream_reason() says why; nothing can be read or written */
};

struct stream_upcalls {
    void (*input)(void *context);   /* content may be there: stream_content() */
    void (*drained)(void *context); /* what was queued is written, or a part of it */
    void (*closed)(void *context);  /* it is STREAM_OPEN no more */
};

struct stream {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe; /* a Unix-domain socket */
    } socket;
    uv_shutdown_t shutdown;
    const struct stream_upcalls *upcalls;
    void *context;
    void (*gone)(void *context); /* of stream_close() */
    char *buffer;                /* STREAM_READ_SIZE bytes, shared */
    struct tls *tls;             /* NULL: in the clear */
    enum stream_state state;
    const char *reason;
    uint64_t received; /* bytes that were read, as they came */
    bool at_end;       /* of what the socket has; content may still wait */
    bool paused;       /* what is read now is kept, and nothing after that */
    bool ending;       /* stream_end(): what comes in is thrown away */
    bool finished;     /* all is written, and our side closed */
    /* What is not used yet: in the buffer during an upcall, then in memory of its own. */
    const char *content;
    size_t content_size;
    char *kept; /* NULL: none; content points into it */
};

/* `family` is the socket's. stream_close() must follow. */
void stream_init(struct stream *stream, uv_loop_t *loop, int family, char *buffer,
                 const struct stream_upcalls *upcalls, void *context);
/* Takes over a connected, non-blocking socket where it succeeds. 0 or a negative errno. Reads
 * nothing before stream_read(). */
int stream_open(struct stream *stream, int fd);

/* What comes from here on, with what is not used yet, is TLS, and what is written after the
 * handshake too. For min_version see tls_new(). 0 or -ENOMEM. */
int stream_start_tls(struct stream *stream, const struct tls_context *context, int min_version);
/* NULL where TLS is not on; otherwise for tls_is_open() and what describes it. */
const struct tls *stream_tls(const struct stream *stream);

/* Content that is not used yet; 0: none now. It stays until stream_use(), at *bytes until the
 * upcall is over. The handshake goes on by this too. */
size_t stream_content(struct stream *stream, const char **bytes);
void stream_use(struct stream *stream, size_t size); /* so many bytes of it are used */

/* Reads on, or not: what is not used by then is kept. A paused stream may still read once, and its end may be told: to
 * take it off the kernel's list and put it back costs two system calls, which a client that waits for its reply is
 * spared. */
void stream_read(struct stream *stream);
void stream_pause(struct stream *stream);

/* Copies, or sends at once. False: it is broken. Before TLS's handshake is through it writes
 * nothing: nobody could read it. */
bool stream_write(struct stream *stream, const char *bytes, size_t size);
size_t stream_queued(const struct stream *stream); /* bytes that wait to be sent */

/* Bytes that were read so far, and that the system has for us. */
uint64_t stream_received(const struct stream *stream);
/* Is any of what was written not yet with the client's system, so far as is known, or broke the
 * connection before the client had it? For a Unix-domain socket: with the client. */
bool stream_is_unread(const struct stream *stream);

/* Says goodbye in TLS, and closes our side when all is written: then drained() comes, and
 * stream_is_finished(). What comes in is read and thrown away from here on. False: it is broken. */
bool stream_end(struct stream *stream);
bool stream_is_finished(const struct stream *stream);

/* Any of it at any time, until stream_free(). */
enum stream_state stream_state(const struct stream *stream);
/* The socket was read to its end: the client has closed its side. */
bool stream_is_at_end(const struct stream *stream);
const char *stream_reason(const struct stream *stream); /* why it is not open any more; else "" */

/* Closes the socket at once. gone() comes from the loop, later, and no other upcall; the struct's
 * memory may go from then on, after stream_free(). */
void stream_close(struct stream *stream, void (*gone)(void *context));
void stream_free(struct stream *stream); /* what it holds, not the struct */

#endif
