/*
 * The paper copy.
 *
 * Payload: u8 version 1, u8 epochs, 16 repository id, for each epoch {32 secret key, 32 index
 * key}, and 16 bytes of the BLAKE2b of all that.  As base32 it fills lines of twenty symbols, with
 * zero symbols at the end of the last:
 *
 *   01: 04000-3VXMB-4QK2P-9ABCD-7TZ
 *
 * The three symbols behind them are a hash of the line's number and symbols, so that a mistyped
 * line is known by itself; the hash at the end finds lines of another copy.
 */
#include "base32.h"
#include "keyring.h"

#include "tozai/util/hex.h"

#include <sodium.h>
#include <stdio.h>

#include "tozai/util/banned.h"

#define PAPER_VERSION 1U
#define LINE_SYMBOLS  ((size_t)20)
#define LINE_CHECK    3U
#define LINE_WHOLE    (LINE_SYMBOLS + LINE_CHECK)
#define GROUP         5U
#define SUM_SIZE      ((size_t)16)
#define EPOCH_SIZE    ((size_t)2 * TZ_KEY_SIZE)
#define HEAD_SIZE     ((size_t)2 + TZ_REPO_ID_SIZE)
#define PAYLOAD_MAX   (HEAD_SIZE + TZ_EPOCHS_MAX * EPOCH_SIZE + SUM_SIZE)
#define LINES_MAX     ((PAYLOAD_MAX * 8 / 5 + LINE_SYMBOLS) / LINE_SYMBOLS)
#define LINE_TEXT     48 /* "331: " and groups */

struct page {
    size_t lines;            /* that are filled: 1 to the last */
    bool present[LINES_MAX]; /* line i + 1 */
    uint8_t symbols[LINES_MAX * LINE_SYMBOLS];
    uint8_t payload[PAYLOAD_MAX];
    char text[LINE_TEXT]; /* of one line */
};

TZ_DEFINE_SCOPED(struct page *, scoped_page, tz_secret_free)

static size_t payload_size(uint32_t epochs)
{
    return HEAD_SIZE + (size_t)epochs * EPOCH_SIZE + SUM_SIZE;
}

static size_t count_lines(size_t size)
{
    return (tz_base32_len(size) + LINE_SYMBOLS - 1) / LINE_SYMBOLS;
}

static void sum_payload(uint8_t sum[SUM_SIZE], const uint8_t *payload, size_t size)
{
    uint8_t hash[32];
    tz_keyed_hash(hash, NULL, payload, size - SUM_SIZE);
    memcpy(sum, hash, SUM_SIZE);
}

static void check_symbols(uint8_t check[LINE_CHECK], size_t number, const uint8_t *symbols)
{
    uint8_t input[4 + LINE_SYMBOLS], hash[32];
    tz_store_le32(input, (uint32_t)number);
    memcpy(input + 4, symbols, LINE_SYMBOLS);
    tz_keyed_hash(hash, NULL, input, sizeof(input));
    for (unsigned i = 0; i < LINE_CHECK; i++)
        check[i] = hash[i] & 31;
    tz_wipe(input, sizeof(input));
}

static void fill_payload(struct page *page, const struct tz_keys *keys)
{
    uint8_t *p = page->payload;
    p[0] = PAPER_VERSION;
    p[1] = (uint8_t)keys->epoch_count;
    memcpy(p + 2, keys->repo_id, TZ_REPO_ID_SIZE);
    p += HEAD_SIZE;
    for (uint32_t i = 0; i < keys->epoch_count; i++, p += EPOCH_SIZE) {
        memcpy(p, keys->epochs[i].secret_key, TZ_KEY_SIZE);
        memcpy(p + TZ_KEY_SIZE, keys->epochs[i].index_key, TZ_KEY_SIZE);
    }
    size_t size = payload_size(keys->epoch_count);
    sum_payload(p, page->payload, size);
    page->lines = count_lines(size);
    tz_base32_encode(page->symbols, page->payload, size);
}

static void format_line(struct page *page, size_t index)
{
    uint8_t symbols[LINE_WHOLE];
    memcpy(symbols, page->symbols + index * LINE_SYMBOLS, LINE_SYMBOLS);
    check_symbols(symbols + LINE_SYMBOLS, index + 1, symbols);
    int len = snprintf(page->text, sizeof(page->text), "%02zu: ", index + 1);
    char *at = page->text + len;
    for (unsigned i = 0; i < LINE_WHOLE; i++) {
        if (i && i % GROUP == 0)
            *at++ = '-';
        *at++ = tz_base32_letter(symbols[i]);
    }
    *at++ = '\n';
    *at = 0;
    tz_wipe(symbols, sizeof(symbols));
}

int tz_paper_print(const struct tz_keys *keys, struct tz_buf *out, struct tz_error *err)
{
    if (tz_keys_need_operator(keys, "printing a paper copy", err))
        return -1;
    TZ_SCOPED(scoped_page) struct page *page = tz_secret_alloc(sizeof(*page));
    if (!page)
        return tz_fail_nomem(err);
    fill_payload(page, keys);

    char id[2 * TZ_REPO_ID_SIZE + 1];
    tz_hex(id, keys->repo_id, TZ_REPO_ID_SIZE);
    /* Room for all at once: a buffer that grows leaves copies of the key behind. */
    if (tz_buf_reserve(out, 1024 + page->lines * LINE_TEXT, err) ||
        tz_buf_printf(
            out, err,
            "tozai: paper copy of the operator key\n"
            "Repository: %s\n"
            "\n"
            "Whoever has this page can read every backup of this repository, without a\n"
            "passphrase. Keep it where you would keep a deed, away from the backups. To use\n"
            "it, run \"tozai key recover\" and type the numbered lines.\n"
            "\n",
            id))
        return -1;
    for (size_t i = 0; i < page->lines; i++) {
        format_line(page, i);
        if (tz_buf_append(out, page->text, strlen(page->text), err))
            return -1;
    }
    return tz_buf_printf(out, err, "\nEnd of the key: %zu lines.\n", page->lines);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/*
 * Does a line begin with a number and a colon?  Return what is behind it, or NULL.  The number is
 * read with the same mercy as the symbols: "O1:" is line 1.
 */
static const char *find_number(const char *at, const char *end, size_t *ret)
{
    size_t number = 0, digits = 0;
    while (at < end && is_blank(*at))
        at++;
    for (; at < end && digits < 4; at++, digits++) {
        int symbol = tz_base32_symbol(*at);
        if (symbol < 0 || symbol > 9)
            break;
        number = number * 10 + (size_t)symbol;
    }
    while (at < end && is_blank(*at))
        at++;
    if (!digits || at == end || *at != ':')
        return NULL;
    *ret = number;
    return at + 1;
}

static int read_symbols(uint8_t symbols[LINE_WHOLE], size_t number, const char *at, const char *end,
                        struct tz_error *err)
{
    size_t count = 0;
    for (; at < end; at++) {
        if (is_blank(*at) || *at == '-')
            continue;
        int symbol = tz_base32_symbol(*at);
        if (symbol < 0)
            return tz_fail(err, TZ_KEY, "line %zu holds a character that no line has", number);
        if (count < LINE_WHOLE)
            symbols[count] = (uint8_t)symbol;
        count++;
    }
    if (count != LINE_WHOLE)
        return tz_fail(err, TZ_KEY, "line %zu has %zu letters and digits where it must have %zu",
                       number, count, LINE_WHOLE);
    return 0;
}

static int keep_line(struct page *page, size_t number, const uint8_t symbols[LINE_WHOLE],
                     struct tz_error *err)
{
    uint8_t check[LINE_CHECK];
    check_symbols(check, number, symbols);
    if (memcmp(check, symbols + LINE_SYMBOLS, LINE_CHECK) != 0)
        return tz_fail(err, TZ_KEY, "line %zu is mistyped", number);
    uint8_t *place = page->symbols + (number - 1) * LINE_SYMBOLS;
    if (page->present[number - 1] && !tz_equal_secret(place, symbols, LINE_SYMBOLS))
        return tz_fail(err, TZ_KEY, "line %zu is there twice, and not the same", number);
    memcpy(place, symbols, LINE_SYMBOLS);
    page->present[number - 1] = true;
    page->lines = TZ_MAX(page->lines, number);
    return 0;
}

static int read_line(struct page *page, const char *line, const char *end, struct tz_error *err)
{
    size_t number = 0;
    const char *at = find_number(line, end, &number);
    if (!at)
        return 0; /* words around the key */
    if (number < 1 || number > LINES_MAX)
        return tz_fail(err, TZ_KEY, "there is no line %zu in a paper copy", number);
    uint8_t symbols[LINE_WHOLE];
    int status = read_symbols(symbols, number, at, end, err);
    if (!status)
        status = keep_line(page, number, symbols, err);
    tz_wipe(symbols, sizeof(symbols));
    return status;
}

/* Line 1 says how many there must be. */
static int check_lines(const struct page *page, uint32_t *ret_epochs, struct tz_error *err)
{
    if (page->lines == 0)
        return tz_fail(err, TZ_KEY, "there is no line of a paper copy");
    if (!page->present[0])
        return tz_fail(err, TZ_KEY, "line 1 is missing");
    uint8_t head[2];
    tz_base32_decode(head, sizeof(head), page->symbols);
    if (head[0] > PAPER_VERSION)
        return tz_fail(err, TZ_UNSUPPORTED, "this paper copy is of a newer tozai");
    if (head[0] != PAPER_VERSION || head[1] < 1 || head[1] > TZ_EPOCHS_MAX)
        return tz_fail(err, TZ_KEY, "line 1 is not the first line of a paper copy");

    size_t lines = count_lines(payload_size(head[1]));
    for (size_t i = 0; i < lines; i++)
        if (!page->present[i])
            return tz_fail(err, TZ_KEY, "line %zu of %zu is missing", i + 1, lines);
    if (page->lines > lines)
        return tz_fail(err, TZ_KEY, "line %zu is too many: this paper copy has %zu", page->lines,
                       lines);
    *ret_epochs = head[1];
    return 0;
}

static int make_keys(struct tz_keys **ret, struct page *page, uint32_t epochs, struct tz_error *err)
{
    size_t size = payload_size(epochs);
    uint8_t sum[SUM_SIZE];
    tz_base32_decode(page->payload, size, page->symbols);
    sum_payload(sum, page->payload, size);
    const uint8_t *p = page->payload;
    if (memcmp(sum, p + size - SUM_SIZE, SUM_SIZE) != 0)
        return tz_fail(err, TZ_KEY,
                       "each line is right, but they do not belong together: are some of another "
                       "paper copy?");

    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = NULL;
    if (tz_keyring_new(&keys, epochs, err))
        return -1;
    memcpy(keys->repo_id, p + 2, TZ_REPO_ID_SIZE);
    keys->role = TZ_ROLE_OPERATOR;
    p += HEAD_SIZE;
    for (uint32_t i = 0; i < epochs; i++, p += EPOCH_SIZE) {
        struct tz_epoch *epoch = &keys->epochs[i];
        epoch->has_secret = true;
        memcpy(epoch->secret_key, p, TZ_KEY_SIZE);
        memcpy(epoch->index_key, p + TZ_KEY_SIZE, TZ_KEY_SIZE);
        if (crypto_scalarmult_base(epoch->public_key, epoch->secret_key))
            return tz_fail(err, TZ_KEY, "the paper copy holds a key that cannot be");
    }
    if (tz_keyring_finish(keys, err))
        return -1;
    *ret = TZ_TAKE(keys);
    return 0;
}

int tz_paper_read(struct tz_keys **ret, const char *text, struct tz_error *err)
{
    TZ_SCOPED(scoped_page) struct page *page = tz_secret_alloc(sizeof(*page));
    if (!page)
        return tz_fail_nomem(err);
    for (const char *line = text; *line;) {
        size_t len = strcspn(line, "\n");
        if (read_line(page, line, line + len, err))
            return tz_hint(err, "compare that line with the paper, letter by letter");
        line += len + (line[len] == '\n');
    }
    uint32_t epochs;
    if (check_lines(page, &epochs, err))
        return -1;
    return make_keys(ret, page, epochs, err);
}
