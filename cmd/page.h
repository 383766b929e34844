/*
 * Writing a page for a browser.
 *
 * The first failure is remembered, and nothing is written after it; tz_page_end() tells.  Text that
 * comes from anywhere else goes through tz_page_text() only.
 */
#ifndef TOZAI_CMD_PAGE_H
#define TOZAI_CMD_PAGE_H

#include "output.h"

struct tz_page {
    struct tz_buf *out;
    struct tz_error *err;
    bool failed;
};

/* Markup, as it is. */
#define tz_page_put(page, ...)                                                                     \
    ((void)((page)->failed =                                                                       \
                (page)->failed || tz_buf_printf((page)->out, (page)->err, __VA_ARGS__)))
/* Text or the value of an attribute in double quotes: nothing in it is markup, nothing hidden. */
void tz_page_text(struct tz_page *page, const char *text);
/* A local time that says the exact one, too; "never" for 0. */
void tz_page_time(struct tz_page *page, int64_t time_ns);
void tz_page_size(struct tz_page *page, uint64_t bytes);

/* The head of the page with its style, and its end. */
void tz_page_begin(struct tz_page *page, const char *title);
int tz_page_end(struct tz_page *page) TZ_MUST_CHECK;

#endif
