/*
 * The XML of S3's answers, read element by element.
 *
 * The documents come from a server that need not be a friend: everything about them has a limit,
 * and a document type, with which entities could be declared, is refused.  Attributes, comments and
 * processing instructions are ignored, prefixes of names ("s3:Key") are dropped.
 *
 * Memory: the path and the text of the open elements, which is wiped.  Any number of threads.
 */
#ifndef TOZAI_STORAGE_S3_XML_H
#define TOZAI_STORAGE_S3_XML_H

#include "tozai/util/error.h"

#include <stddef.h>

#define TZ_XML_SIZE_MAX  ((size_t)16 << 20)
#define TZ_XML_DEPTH_MAX 16U
#define TZ_XML_PATH_MAX  512U               /* bytes of "A/B/C" */
#define TZ_XML_TEXT_MAX  ((size_t)64 << 10) /* of all open elements together */

/*
 * Called at the end of each element, so children come before their parent, with its path
 * ("ListBucketResult/Contents/Key") and the text directly in it, spaces and line breaks included:
 * len bytes of UTF-8, never a NUL, and a NUL behind them.  Both are gone after the call.
 * -1 with an error ends the reading.
 */
typedef int tz_xml_element_fn(void *arg, const char *path, const char *text, size_t len,
                              struct tz_error *err);

/* TZ_CORRUPT: not well-formed, not UTF-8, a document type, too much of something.  The elements
 * before that have been reported already. */
int tz_xml_read(const void *data, size_t len, tz_xml_element_fn *element, void *arg,
                struct tz_error *err) TZ_MUST_CHECK;

#endif
