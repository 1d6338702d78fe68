/*
 * confine.h - the process confines itself: what a fault in it, or in a library, could be used for.
 *
 * Landlock (landlock(7)): files can be written beneath the spool and the folders of sockets only, and
 * read beneath /usr, /lib, /etc, the folders of the configuration, of the rules and of the files that
 * the configuration names, and those of confine.read and confine.write. Folders, never files: a renewed certificate is
 * a new file behind a link, and a database of aliases has others beside it.
 * seccomp(2): no other program can be run, no other process traced, nothing mounted, no module or
 * key touched.
 *
 * Both hold for good, and for every thread that is made afterwards. Neither is used where rules.unsafe
 * lets rules run programs, or confine.enabled is false. A kernel without them is no error: the log
 * says what there is.
 */
#ifndef MXHOOK_CONFINE_H
#define MXHOOK_CONFINE_H

#include "base/error.h"
#include "config/config.h"

/* Once, before the first thread, and after privileges are dropped (no_new_privs is set then). Makes
 * the spool's folder where there is none. Logs `confined`. 0, or a negative errno where a folder
 * cannot be opened. */
int confine_process(const struct config *config, struct error *err);

/* Before the first loop: no ring of io_uring(7) can be made. libuv from 1.45 on makes one with each loop, and aborts
 * where it is denied afterwards, as confine_process() does. Sets no_new_privs. Nothing with an older libuv, or a
 * kernel without seccomp. */
void confine_io_uring(void);

/* Can a process that has confined itself go on with this configuration? Else -EACCES, and `err` names
 * the option and the file that is out of reach. Any thread. */
int confine_check(const struct config *config, struct error *err);

#endif
