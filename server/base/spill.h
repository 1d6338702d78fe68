/*
 * spill.h - bytes of any number in bounded memory.
 *
 * A spill holds bytes in memory up to its threshold, and past that in a file: so a small message
 * never touches the disk and a large one never fills the memory. Written at its end, read anywhere.
 * One thread at a time; it is handed over, not shared, until it is complete. A complete spill may be
 * read by several threads.
 */
#ifndef MXHOOK_SPILL_H
#define MXHOOK_SPILL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SPILL_THRESHOLD (256u * 1024u) /* bytes in memory before the file is made */

#define SPILL_ROOM_STEP (1u << 20) /* bytes of a file between two looks at what the disk has left */

/* What the names of files begin with that are unlinked at once; a crash may leave one. */
#define SPILL_PREFIX "spill-"

struct spill;

/* A spill whose file, if it comes to one, is unlinked at once in `dir` (name NULL), or stands at
 * dir/name until somebody removes it. Both strings are copied. NULL: no memory. */
struct spill *spill_new(const char *dir, const char *name);

/* Where a command that has no spool puts them: TMPDIR, or /tmp. Not beside setenv(3). */
const char *spill_temporary_directory(void);

/* Opens a file that an earlier spill left, for reading. Returns 0 or a negative errno. */
int spill_open(struct spill **out, const char *path);

/* A spill of a copy of these bytes, always in memory. NULL: no memory. */
struct spill *spill_from_bytes(const void *bytes, size_t size);

/* A spill is counted: who keeps it takes a reference, the last spill_free() frees memory and closes
 * the file (a named one stays on disk). The count is atomic. spill_free() takes NULL. */
struct spill *spill_ref(struct spill *spill);
void spill_free(struct spill *spill);

/* Appends. Returns 0 or a negative errno (-ENOSPC, -ENOMEM, ...), after which nothing more can be
 * written. */
int spill_write(struct spill *spill, const void *bytes, size_t size);

/* From now on it goes to its file past `memory` bytes, instead of SPILL_THRESHOLD, and takes no more than
 * `total`: then spill_write() returns -EFBIG. Before anything is written. */
void spill_bound(struct spill *spill, uint64_t memory, uint64_t total);

/* From now on spill_write() returns -ENOSPC where the file system would be left with fewer free bytes than
 * `min_free`: asked when the file is made, and each SPILL_ROOM_STEP bytes of it. */
void spill_keep_free(struct spill *spill, uint64_t min_free);

/* Removes a named file from its folder, for one that is not wanted after all; nothing where there is
 * none. The bytes stay readable until spill_free(). */
void spill_unlink(struct spill *spill);

/* It is complete: gives back what memory it has to spare. */
void spill_trim(struct spill *spill);

/* Makes the file's bytes and its name durable; 0 at once where there is no file. */
int spill_sync(struct spill *spill);

uint64_t spill_size(const struct spill *spill);
const char *spill_memory(const struct spill *spill); /* NULL when the bytes are in a file */
int spill_fd(const struct spill *spill);             /* -1 when they are in memory */
/* The file's name in its folder; NULL when there is no file or it was unlinked at once. */
const char *spill_name(const struct spill *spill);

/* Reads up to `size` bytes at `offset`; 0 at the end, or a negative errno. */
ssize_t spill_read(const struct spill *spill, uint64_t offset, void *buffer, size_t size);

#endif
