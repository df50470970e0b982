/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The access log of one process: lines are rendered into a buffer of 64 KiB, which is written when
 * it is full and when accesslog_flush() is called, about once a second and at the end. It never
 * waits: what cannot be written is counted and lost, and the error log says so once a second. Lines
 * of several processes in one file are never torn: O_APPEND and whole lines a write.
 */
#ifndef WORKER_ACCESSLOG_H
#define WORKER_ACCESSLOG_H

#include "conf/conf.h"
#include "worker/accesslog/access_render.h"

struct accesslog;

/* `target`: "off", "stdout" or a file's path, which is copied. Returns NULL for "off", which every
 * function here takes, and when there is no memory. A file that cannot be opened is reported to the
 * error log and tried again by reopen; until then lines are counted as lost. */
struct accesslog *accesslog_open(const char *target, enum conf_access_format format);

/* Adds a line; one write(2) when the buffer is full. */
void accesslog_append(struct accesslog *log, const struct access_record *record);

/* Writes what is buffered. */
void accesslog_flush(struct accesslog *log);

/* After rotation: flushes into the old file, then opens the path anew; keeps the old file when that
 * fails. */
void accesslog_reopen(struct accesslog *log);

/* Flushes and closes. */
void accesslog_close(struct accesslog **log);

/* Lines lost since it was opened. */
uint64_t accesslog_lost(const struct accesslog *log);

#endif
