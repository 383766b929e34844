/*
 * Formats and filters by name and by ending.
 *
 * What cannot hold a tree as it is (ar, raw, shar, warc, mtree) is not offered.  Nor is what the
 * writer of libarchive 3.6 cannot be trusted with: iso9660 breaks down on deep trees, and xar puts
 * names into its table that make it unreadable.  Nor are filters that are programs of their own
 * (lrzip, lzop, grzip).
 */
#include "format.h"

#include <string.h>
#include <strings.h>

#include "tozai/util/banned.h"

#define TAR_HOLDS (HOLDS_OWNERS | HOLDS_HARDLINKS | HOLDS_BYTES | HOLDS_ROOT | HOLDS_SETUID)
#define SPECIAL   (HOLDS_DEVICES | HOLDS_FIFOS)
#define SECOND    1000000000U
/* Octal digits of a field. */
#define DIGITS_6  ((1U << 18) - 1)
#define DIGITS_7  ((1U << 21) - 1)
#define DIGITS_11 ((INT64_C(1) << 33) - 1)

/* A longer ending stands before a shorter one that it ends with. */
static const struct tz_archive_form forms[] = {
    {
        .name = "pax",
        .aliases = "tar posix ",
        .endings = ".tar .pax ",
        .set = archive_write_set_format_pax,
        /* One form of extended attributes is enough, and this one is what GNU tar reads, too. */
        .options = "xattrheader=SCHILY",
        .root = "./",
        .holds = TAR_HOLDS | SPECIAL | HOLDS_XATTRS | HOLDS_ACLS | HOLDS_FLAGS | HOLDS_HOLES |
                 HOLDS_OWNER_NAMES,
        .grain_ns = 1,
        .earliest_s = INT64_MIN + 1,
        .latest_s = INT64_MAX,
        .largest_id = UINT32_MAX,
        .largest_device = UINT64_MAX,
    },
    {
        .name = "paxr",
        .aliases = "rpax bsdtar ",
        .endings = "",
        .set = archive_write_set_format_pax_restricted,
        .options = "xattrheader=SCHILY",
        .root = "./",
        .holds = TAR_HOLDS | SPECIAL | HOLDS_XATTRS | HOLDS_ACLS | HOLDS_FLAGS | HOLDS_HOLES |
                 HOLDS_OWNER_NAMES,
        .grain_ns = SECOND,
        .earliest_s = INT64_MIN + 1,
        .latest_s = INT64_MAX,
        .largest_id = UINT32_MAX,
        .largest_device = UINT64_MAX,
    },
    {
        .name = "gnutar",
        .aliases = "gnu ",
        .endings = ".gtar ",
        .set = archive_write_set_format_gnutar,
        .root = "./",
        .holds = TAR_HOLDS | SPECIAL | HOLDS_OWNER_NAMES,
        .grain_ns = SECOND,
        .latest_s = DIGITS_11,
        .largest_id = UINT32_MAX,
        .largest_device = UINT64_MAX,
    },
    {
        .name = "ustar",
        .aliases = "",
        .endings = ".ustar ",
        .set = archive_write_set_format_ustar,
        .root = "./",
        .holds = TAR_HOLDS | SPECIAL | HOLDS_OWNER_NAMES,
        .grain_ns = SECOND,
        .latest_s = DIGITS_11,
        .largest_id = DIGITS_7,
        .largest_device = UINT64_MAX,
    },
    {
        .name = "v7tar",
        .aliases = "v7 oldtar ",
        .endings = "",
        .set = archive_write_set_format_v7tar,
        .root = "./",
        .holds = TAR_HOLDS,
        .grain_ns = SECOND,
        .latest_s = DIGITS_11,
        .largest_id = DIGITS_7,
        .largest_device = UINT64_MAX,
    },
    {
        .name = "newc",
        .aliases = "cpio ",
        .endings = ".cpio ",
        .set = archive_write_set_format_cpio_newc,
        .root = ".",
        .holds = TAR_HOLDS | SPECIAL | COUNTS_LINKS,
        .grain_ns = SECOND,
        .latest_s = UINT32_MAX,
        .largest_id = UINT32_MAX,
        .largest_device = UINT64_MAX,
    },
    {
        .name = "odc",
        .aliases = "",
        .endings = "",
        .set = archive_write_set_format_cpio_odc,
        .root = ".",
        .holds = TAR_HOLDS | SPECIAL | COUNTS_LINKS,
        .grain_ns = SECOND,
        .latest_s = DIGITS_11,
        .largest_id = DIGITS_6,
        .largest_device = DIGITS_6,
    },
    {
        .name = "zip",
        .aliases = "",
        .endings = ".zip .jar ",
        .set = archive_write_set_format_zip,
        .holds = HOLDS_OWNERS | HOLDS_SETUID,
        .grain_ns = SECOND,
        .latest_s = INT32_MAX, /* some readers take it for more, some for less than 0 */
        .largest_id = UINT32_MAX,
    },
    {
        .name = "7zip",
        .aliases = "7z ",
        .endings = ".7z ",
        .set = archive_write_set_format_7zip,
        .options = "compression-level=4", /* as for the filters of its kind, below */
        .grain_ns = 100,
        .latest_s = INT64_C(253402300799), /* the end of the year 9999 */
    },
};

/*
 * An export takes less than 100 MiB, of which its filter may have 64.  xz asks for 94 MiB at its
 * default level, and 160 for each thread; at level 4 for 48 MiB, with little loss, and at level 2
 * for 29 in each thread, where two are as fast as four at the default.
 */
static const struct filter {
    const char *name;
    const char *aliases;
    const char *endings;
    const char *tar_endings; /* that stand for a tar in this filter */
    int (*add)(struct archive *archive);
    unsigned threads;  /* at most so many; 0: it knows of none */
    const char *level; /* NULL: its own default */
    const char *level_threads;
} filters[] = {
    {"gzip", "gz ", ".gz ", ".tgz .taz ", archive_write_add_filter_gzip, 0, NULL, NULL},
    {"bzip2", "bz2 ", ".bz2 ", ".tbz .tbz2 .tb2 .tz2 ", archive_write_add_filter_bzip2, 0, NULL,
     NULL},
    {"xz", "", ".xz ", ".txz ", archive_write_add_filter_xz, 2, "4", "2"},
    {"zstd", "zst ", ".zst .zstd ", ".tzst .tzs ", archive_write_add_filter_zstd, 2, NULL, NULL},
    {"lz4", "", ".lz4 ", ".tlz4 ", archive_write_add_filter_lz4, 0, NULL, NULL},
    {"lzip", "lz ", ".lz ", ".tlz ", archive_write_add_filter_lzip, 0, "4", NULL},
    {"lzma", "", ".lzma ", "", archive_write_add_filter_lzma, 0, "4", NULL},
    {"compress", "", ".z ", ".taz ", archive_write_add_filter_compress, 0, NULL, NULL},
    {"uuencode", "uu ", ".uu ", "", archive_write_add_filter_uuencode, 0, NULL, NULL},
    {"b64encode", "base64 ", ".b64 ", "", archive_write_add_filter_b64encode, 0, NULL, NULL},
};

static const char types_hint[] =
    "formats: pax (or tar), paxr, gnutar, ustar, v7tar, newc (or cpio), odc, zip, 7zip; "
    "with +gzip, +bzip2, +xz, +zstd, +lz4, +lzip, +lzma, +compress, +uuencode or +b64encode";

/* Is it one of the words, each of which has a space behind it? */
static bool is_among(const char *words, const char *text, size_t len)
{
    for (const char *word = words; *word;) {
        size_t word_len = strcspn(word, " ");
        if (word_len == len && strncasecmp(word, text, len) == 0)
            return true;
        word += word_len + 1;
    }
    return false;
}

/* The length of the ending that text of this length has; 0 if it has none of them. */
static size_t ending_of(const char *endings, const char *text, size_t len)
{
    for (const char *ending = endings; *ending;) {
        size_t ending_len = strcspn(ending, " ");
        if (ending_len < len && strncasecmp(text + len - ending_len, ending, ending_len) == 0)
            return ending_len;
        ending += ending_len + 1;
    }
    return 0;
}

static bool is_called(const char *name, const char *aliases, const char *text, size_t len)
{
    return (strlen(name) == len && strncasecmp(name, text, len) == 0) ||
           is_among(aliases, text, len);
}

static const struct tz_archive_form *form_by_name(const char *text, size_t len)
{
    for (size_t i = 0; i < TZ_COUNT(forms); i++) {
        if (is_called(forms[i].name, forms[i].aliases, text, len))
            return &forms[i];
    }
    return NULL;
}

const struct tz_archive_form *tz_archive_form(const char *name)
{
    return form_by_name(name, strlen(name));
}

static const struct filter *filter_by_name(const char *text, size_t len)
{
    for (size_t i = 0; i < TZ_COUNT(filters); i++) {
        if (is_called(filters[i].name, filters[i].aliases, text, len))
            return &filters[i];
    }
    return NULL;
}

static int parse_name(struct tz_archive_type *ret, const char *text, struct tz_error *err)
{
    size_t len = strcspn(text, "+");
    const struct tz_archive_form *form = form_by_name(text, len);
    const struct filter *filter = NULL;

    if (text[len] == '+')
        filter = filter_by_name(text + len + 1, strlen(text + len + 1));
    if (!form || (text[len] == '+' && !filter)) {
        (void)tz_fail(err, TZ_INVALID, "there is no archive format '%s'", text);
        return tz_hint(err, "%s", types_hint);
    }
    *ret = (struct tz_archive_type){form->name, filter ? filter->name : NULL};
    return 0;
}

static int parse_ending(struct tz_archive_type *ret, const char *file, struct tz_error *err)
{
    const char *name = strrchr(file, '/');
    const struct filter *filter = NULL;

    name = name ? name + 1 : file;
    size_t len = strlen(name);
    for (size_t i = 0; i < TZ_COUNT(filters) && !filter; i++) {
        size_t ending = ending_of(filters[i].endings, name, len);
        if (ending_of(filters[i].tar_endings, name, len)) {
            *ret = (struct tz_archive_type){forms[0].name, filters[i].name};
            return 0;
        }
        if (ending) {
            filter = &filters[i];
            len -= ending;
        }
    }
    for (size_t i = 0; i < TZ_COUNT(forms); i++) {
        if (ending_of(forms[i].endings, name, len)) {
            *ret = (struct tz_archive_type){forms[i].name, filter ? filter->name : NULL};
            return 0;
        }
    }
    (void)tz_fail(err, TZ_INVALID, "the name '%s' does not tell the format of an archive", file);
    return tz_hint(err,
                   "give it an ending such as .tar.zst, .tgz, .zip, .7z or .cpio.gz, or use "
                   "--format; %s",
                   types_hint);
}

int tz_archive_type_parse(struct tz_archive_type *ret, const char *text, const char *file,
                          struct tz_error *err)
{
    return text ? parse_name(ret, text, err) : parse_ending(ret, file, err);
}

/* Without it, it is only slower, or takes more memory. */
static void set_option(const struct filter *filter, const char *option, const char *value,
                       struct archive *archive)
{
    if (value)
        (void)archive_write_set_filter_option(archive, filter->name, option, value);
}

static int add_filter(const struct filter *filter, unsigned threads, struct archive *archive,
                      struct tz_error *err)
{
    char number[16];
    int rc = filter->add(archive);

    if (rc == ARCHIVE_WARN) /* it would run a program of that name */
        return tz_fail(err, TZ_UNSUPPORTED, "this libarchive has no '%s'", filter->name);
    if (rc != ARCHIVE_OK)
        return tz_fail(err, TZ_UNSUPPORTED, "filter '%s': %s", filter->name,
                       archive_error_string(archive));
    threads = TZ_MIN(threads, filter->threads);
    (void)snprintf(number, sizeof(number), "%u", threads);
    set_option(filter, "threads", threads > 1 ? number : NULL, archive);
    set_option(filter, "compression-level", threads > 1 ? filter->level_threads : filter->level,
               archive);
    return 0;
}

int tz_archive_type_apply(const struct tz_archive_type *type, unsigned threads,
                          struct archive *archive, struct tz_error *err)
{
    const struct tz_archive_form *form = tz_archive_form(type->format);

    if (form->set(archive) != ARCHIVE_OK)
        return tz_fail(err, TZ_UNSUPPORTED, "format '%s': %s", form->name,
                       archive_error_string(archive));
    if (type->filter &&
        add_filter(filter_by_name(type->filter, strlen(type->filter)), threads, archive, err))
        return -1;
    if (form->options && archive_write_set_options(archive, form->options) != ARCHIVE_OK)
        return tz_fail(err, TZ_UNSUPPORTED, "format '%s': %s", form->name,
                       archive_error_string(archive));
    return 0;
}
