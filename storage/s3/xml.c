#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "xml.h"

#include "tozai/util/buf.h"
#include "tozai/util/utf8.h"

#include <expat.h>
#include <stdbool.h>
#include <string.h>

#include "tozai/util/banned.h"

struct reader {
    XML_Parser parser;
    tz_xml_element_fn *element;
    void *arg;
    char path[TZ_XML_PATH_MAX + 1];
    size_t path_len;
    /* Of each open element: where its name begins in the path and its text in the buffer. */
    struct {
        size_t path, text;
    } open[TZ_XML_DEPTH_MAX];
    unsigned depth;
    struct tz_buf text;
    struct tz_error error; /* its kind TZ_OK: none */
};

static void stop(struct reader *reader)
{
    (void)XML_StopParser(reader->parser, XML_FALSE);
}

/* expat goes on with the present token after a stop. */
static bool stopped(const struct reader *reader)
{
    return reader->error.kind != TZ_OK;
}

static void XMLCALL begin_element(void *arg, const XML_Char *name, const XML_Char **attributes)
{
    struct reader *reader = arg;
    const char *colon = strrchr(name, ':');
    const char *local = colon ? colon + 1 : name;
    size_t len = strlen(local), slash = reader->depth > 0;

    (void)attributes;
    if (stopped(reader))
        return;
    if (reader->depth == TZ_XML_DEPTH_MAX || len > TZ_XML_PATH_MAX - slash ||
        reader->path_len > TZ_XML_PATH_MAX - slash - len) {
        (void)tz_fail(&reader->error, TZ_CORRUPT, "XML elements are nested too deeply");
        stop(reader);
        return;
    }
    reader->open[reader->depth].path = reader->path_len;
    reader->open[reader->depth].text = reader->text.len;
    reader->depth++;
    if (slash)
        reader->path[reader->path_len++] = '/';
    memcpy(reader->path + reader->path_len, local, len + 1);
    reader->path_len += len;
}

static void XMLCALL add_text(void *arg, const XML_Char *text, int len)
{
    struct reader *reader = arg;
    if (stopped(reader))
        return;
    if ((size_t)len > TZ_XML_TEXT_MAX - reader->text.len) {
        (void)tz_fail(&reader->error, TZ_CORRUPT, "XML text is longer than %zu KiB",
                      TZ_XML_TEXT_MAX >> 10);
        stop(reader);
    } else if (tz_buf_append(&reader->text, text, (size_t)len, &reader->error)) {
        stop(reader);
    }
}

static void XMLCALL end_element(void *arg, const XML_Char *name)
{
    struct reader *reader = arg;

    (void)name;
    if (stopped(reader))
        return;
    size_t begin = reader->open[reader->depth - 1].text;
    size_t len = reader->text.len - begin;
    if (tz_buf_append(&reader->text, "", 1, &reader->error) ||
        reader->element(reader->arg, reader->path, (const char *)reader->text.data + begin, len,
                        &reader->error)) {
        if (!stopped(reader))
            (void)tz_fail(&reader->error, TZ_FAILED, "an XML element was not taken");
        stop(reader);
        return;
    }
    reader->depth--;
    reader->text.len = begin;
    reader->path_len = reader->open[reader->depth].path;
    reader->path[reader->path_len] = '\0';
}

static void XMLCALL refuse_doctype(void *arg, const XML_Char *name, const XML_Char *system_id,
                                   const XML_Char *public_id, int has_internal_subset)
{
    struct reader *reader = arg;

    (void)name, (void)system_id, (void)public_id, (void)has_internal_subset;
    if (!stopped(reader))
        (void)tz_fail(&reader->error, TZ_CORRUPT, "XML with a document type is refused");
    stop(reader);
}

static int parse(struct reader *reader, const void *data, size_t len)
{
    XML_SetUserData(reader->parser, reader);
    XML_SetElementHandler(reader->parser, begin_element, end_element);
    XML_SetCharacterDataHandler(reader->parser, add_text);
    XML_SetStartDoctypeDeclHandler(reader->parser, refuse_doctype);
    if (XML_Parse(reader->parser, data, (int)len, XML_TRUE) == XML_STATUS_OK && !stopped(reader))
        return 0;
    if (stopped(reader))
        return -1;
    enum XML_Error code = XML_GetErrorCode(reader->parser);
    if (code == XML_ERROR_NO_MEMORY)
        return tz_fail_nomem(&reader->error);
    return tz_fail(&reader->error, TZ_CORRUPT, "XML, line %lu: %s",
                   (unsigned long)XML_GetCurrentLineNumber(reader->parser), XML_ErrorString(code));
}

int tz_xml_read(const void *data, size_t len, tz_xml_element_fn *element, void *arg,
                struct tz_error *err)
{
    struct reader reader = {.element = element, .arg = arg};

    if (len > TZ_XML_SIZE_MAX)
        return tz_fail(err, TZ_CORRUPT, "an XML document of %zu bytes is too long", len);
    /* expat would take UTF-16 as well, which has NULs wherever it has markup. */
    if (len > 0 && (memchr(data, 0, len) || !tz_utf8_valid(data, len)))
        return tz_fail(err, TZ_CORRUPT, "XML that is not UTF-8");
    /* Whatever the document says of itself. */
    reader.parser = XML_ParserCreate("UTF-8");
    if (!reader.parser)
        return tz_fail_nomem(err);
    /* It may hold secrets (STS): so it is never moved, and wiped. */
    int status = tz_buf_reserve(&reader.text, TZ_XML_TEXT_MAX + 1, &reader.error);
    if (status == 0)
        status = parse(&reader, len ? data : "", len);
    XML_ParserFree(reader.parser);
    if (reader.text.data)
        explicit_bzero(reader.text.data, reader.text.cap);
    tz_buf_clear(&reader.text);
    if (status && err)
        *err = reader.error;
    return status;
}
