/*
 * generate KIND ...: makes the benchmark's own files, the same ones everywhere.
 *
 *   generate source DIR FILES        a tree of program-like text, as a large source tree is
 *   generate tiny DIR FILES          texts of 100 to 2000 bytes, 100 to a folder
 *   generate image FILE SIZE DATA    a sparse disk image of SIZE bytes that holds DATA bytes
 *   generate catalog FILE CHUNKS     add that many chunks to a catalog of tozai, in 4000 to a pack
 *
 * Everything comes from a generator of random numbers with a fixed seed, and files have a fixed
 * time, so that two runs compare.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_TIME 1750000000 /* June 2025 */
#define MAX_FILE  ((size_t)1 << 20)

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)fputs("generate: ", stderr);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

/* splitmix64 */
static uint64_t state;

static uint64_t draw(void)
{
    uint64_t x = state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static size_t draw_between(size_t low, size_t high)
{
    return low + (size_t)(draw() % (high - low + 1));
}

/* Small numbers far more often than large ones, as words and identifiers come. */
static size_t draw_falling(size_t end)
{
    size_t a = (size_t)(draw() % end), b = (size_t)(draw() % end);
    return a * b / end;
}

#define WORDS 6000
static char words[WORDS][16];

static void make_words(void)
{
    static const char letters[] = "eeeeeettttaaaaooooiiinnnsssrrrhhdddlluuccmmffyywwggppbbvvkkxqjz";
    for (size_t i = 0; i < WORDS; i++) {
        size_t len = draw_between(2, 11);
        for (size_t k = 0; k < len; k++)
            words[i][k] = letters[draw() % (sizeof(letters) - 1)];
    }
}

/* A text that grows up to its limit; what does not fit is cut. */
struct text {
    char *data;
    size_t len, limit;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *text, const char *format, ...)
{
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    int made = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    size_t len = (size_t)made < sizeof(line) ? (size_t)made : sizeof(line) - 1;
    if (len > text->limit - text->len)
        len = text->limit - text->len;
    memcpy(text->data + text->len, line, len);
    text->len += len;
}

static const char *word(void)
{
    return words[draw_falling(draw_falling(draw_falling(WORDS) + 1) + 1)];
}

static void write_file(const char *path, const struct text *text)
{
    const struct timespec times[2] = {{.tv_sec = FILE_TIME}, {.tv_sec = FILE_TIME}};
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        die("%s: %s", path, strerror(errno));
    if (write(fd, text->data, text->len) != (ssize_t)text->len || futimens(fd, times) || close(fd))
        die("%s: %s", path, strerror(errno));
}

static void make_folder(const char *path)
{
    if (mkdir(path, 0755) && errno != EEXIST)
        die("%s: %s", path, strerror(errno));
}

static void fill_program(struct text *text)
{
    add(text, "/* %s %s %s: %s */\n#include <%s/%s.h>\n\n", word(), word(), word(), word(), word(),
        word());
    while (text->len < text->limit) {
        add(text, "static int %s_%s(struct %s *%s, unsigned long %s)\n{\n", word(), word(), word(),
            word(), word());
        for (size_t lines = draw_between(3, 20); lines > 0; lines--)
            switch (draw() % 4) {
            case 0:
                add(text, "\tif (%s->%s & %s_%s)\n\t\treturn -%s;\n", word(), word(), word(),
                    word(), word());
                break;
            case 1:
                add(text, "\t%s = %s_%s(%s, %u);\n", word(), word(), word(), word(),
                    (unsigned)(draw() % 1024));
                break;
            case 2:
                add(text, "\t/* %s the %s %s of %s */\n", word(), word(), word(), word());
                break;
            default:
                add(text, "\t%s->%s.%s = 0x%08x;\n", word(), word(), word(), (unsigned)draw());
            }
        add(text, "\treturn 0;\n}\n\n");
    }
}

/* Mostly small, a few large: 16 KiB on average. */
static void make_source(const char *dir, size_t files)
{
    struct text text = {.data = malloc(MAX_FILE)};
    char path[4096];
    if (!text.data)
        die("out of memory");
    for (size_t i = 0; i < files; i++) {
        if (i % 400 == 0) {
            (void)snprintf(path, sizeof(path), "%s/part%03zu", dir, i / 400);
            make_folder(path);
        }
        if (i % 20 == 0) {
            (void)snprintf(path, sizeof(path), "%s/part%03zu/%02zu-%s", dir, i / 400, i / 20 % 20,
                           words[i / 20 % WORDS]);
            make_folder(path);
        }
        text.len = 0;
        text.limit = draw() % 50 == 0 ? draw_between(50000, 400000) : draw_falling(40000) + 200;
        fill_program(&text);
        (void)snprintf(path, sizeof(path), "%s/part%03zu/%02zu-%s/%s-%zu.c", dir, i / 400,
                       i / 20 % 20, words[i / 20 % WORDS], word(), i);
        write_file(path, &text);
    }
    free(text.data);
}

static void make_tiny(const char *dir, size_t files)
{
    char data[2000], path[4096];
    for (size_t i = 0; i < files; i++) {
        if (i % 10000 == 0) {
            (void)snprintf(path, sizeof(path), "%s/%03zu", dir, i / 10000);
            make_folder(path);
        }
        if (i % 100 == 0) {
            (void)snprintf(path, sizeof(path), "%s/%03zu/%02zu", dir, i / 10000, i / 100 % 100);
            make_folder(path);
        }
        struct text text = {.data = data, .limit = draw_between(100, 2000)};
        add(&text, "number: %zu\nmark: %016llx\n", i, (unsigned long long)draw());
        while (text.len < text.limit)
            add(&text, "%s%c", words[draw() % WORDS], draw() % 12 == 0 ? '\n' : ' ');
        (void)snprintf(path, sizeof(path), "%s/%03zu/%02zu/note%02zu.txt", dir, i / 10000,
                       i / 100 % 100, i % 100);
        write_file(path, &text);
    }
}

/* Pieces of 64 KiB to 4 MiB: three of five text, the others random. */
static void fill_piece(char *data, size_t len, bool readable)
{
    struct text text = {.data = data, .limit = len};
    while (readable && text.len < len)
        add(&text, "%s %s=%u\n", word(), word(), (unsigned)(draw() % 100000));
    for (size_t i = 0; !readable && i < len; i += sizeof(uint64_t)) {
        uint64_t value = draw();
        memcpy(data + i, &value, sizeof(value));
    }
}

static void make_image(const char *path, uint64_t size, uint64_t data)
{
    const size_t block = 65536, most = (size_t)4 << 20;
    const struct timespec times[2] = {{.tv_sec = FILE_TIME}, {.tv_sec = FILE_TIME}};
    char *piece = malloc(most);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (!piece || fd < 0 || ftruncate(fd, (off_t)size))
        die("%s: %s", path, strerror(errno));
    /* A piece and the hole behind it, again and again, in the proportion asked for. */
    uint64_t at = 0, left = data;
    for (unsigned count = 0; left > 0 && at < size; count++) {
        size_t len = draw_between(1, most / block) * block;
        if (len > left)
            len = (size_t)(left + block - 1) / block * block;
        if (len > size - at)
            len = (size_t)(size - at);
        fill_piece(piece, len, count % 5 < 3);
        if (pwrite(fd, piece, len, (off_t)at) != (ssize_t)len)
            die("%s: %s", path, strerror(errno));
        left -= len < left ? len : left;
        at += len + (uint64_t)((double)len * (double)(size - data) / (double)data) / block * block;
    }
    if (futimens(fd, times) || close(fd))
        die("%s: %s", path, strerror(errno));
    free(piece);
}

#define PACK_CHUNKS  4000
#define FRAME_CHUNKS 16
#define HASH_SIZE    32
#define HEADER_SIZE  128

static sqlite3 *database;

static void run_sql(const char *sql)
{
    if (sqlite3_exec(database, sql, NULL, NULL, NULL) != SQLITE_OK)
        die("%s: %s", sql, sqlite3_errmsg(database));
}

static sqlite3_stmt *prepare(const char *sql)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(database, sql, -1, &statement, NULL) != SQLITE_OK)
        die("%s: %s", sql, sqlite3_errmsg(database));
    return statement;
}

static void run_once(sqlite3_stmt *statement)
{
    if (sqlite3_step(statement) != SQLITE_DONE)
        die("%s: %s", sqlite3_sql(statement), sqlite3_errmsg(database));
    sqlite3_reset(statement);
}

static void draw_bytes(unsigned char *ret, size_t len)
{
    for (size_t i = 0; i < len; i += sizeof(uint64_t)) {
        uint64_t value = draw();
        memcpy(ret + i, &value, sizeof(value));
    }
}

static sqlite3_int64 add_pack(size_t chunks)
{
    static sqlite3_stmt *object, *copy, *pack, *frame;
    unsigned char hash[HASH_SIZE], header[HEADER_SIZE];
    char hex[2 * HASH_SIZE + 1], name[128];
    if (!object) {
        object = prepare("INSERT INTO objects(name, kind, size) VALUES (?1, 3, 33554432)");
        copy = prepare("INSERT INTO copies(object, store, state) SELECT ?1, id, 1 FROM stores");
        pack = prepare("INSERT INTO packs(id, hash, kind, chunks, condemned, lost, header)"
                       " VALUES (?1, ?2, 1, ?3, 0, 0, ?4)");
        frame = prepare("INSERT INTO frames(pack, no, offset, sealed_len, plain_len, codec)"
                        " VALUES (?1, ?2, 128 + ?2 * 131072, 131072, 4194304, 1)");
    }
    draw_bytes(hash, sizeof(hash));
    draw_bytes(header, sizeof(header));
    for (size_t i = 0; i < sizeof(hash); i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    (void)snprintf(name, sizeof(name), "packs/%.2s/%s", hex, hex);

    sqlite3_bind_text(object, 1, name, -1, SQLITE_TRANSIENT);
    run_once(object);
    sqlite3_int64 id = sqlite3_last_insert_rowid(database);
    sqlite3_bind_int64(copy, 1, id);
    run_once(copy);
    sqlite3_bind_int64(pack, 1, id);
    sqlite3_bind_blob(pack, 2, hash, sizeof(hash), SQLITE_TRANSIENT);
    sqlite3_bind_int64(pack, 3, (sqlite3_int64)chunks);
    sqlite3_bind_blob(pack, 4, header, sizeof(header), SQLITE_TRANSIENT);
    run_once(pack);
    for (size_t no = 0; no * FRAME_CHUNKS < chunks; no++) {
        sqlite3_bind_int64(frame, 1, id);
        sqlite3_bind_int64(frame, 2, (sqlite3_int64)no);
        run_once(frame);
    }
    return id;
}

/* Chunk ids are random; made in their order, since the table is sorted by them and would take
 * hours to fill otherwise.  So the packs that chunks lie in are what is drawn. */
static void make_catalog(const char *path, size_t chunks)
{
    if (sqlite3_open_v2(path, &database, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        die("%s: %s", path, sqlite3_errmsg(database));
    run_sql("PRAGMA journal_mode = WAL");
    run_sql("PRAGMA synchronous = OFF");
    run_sql("PRAGMA cache_size = -262144");
    run_sql("BEGIN");
    size_t packs = (chunks + PACK_CHUNKS - 1) / PACK_CHUNKS;
    sqlite3_int64 *ids = calloc(packs, sizeof(*ids));
    if (!ids)
        die("out of memory");
    for (size_t i = 0; i < packs; i++)
        ids[i] = add_pack(PACK_CHUNKS);

    sqlite3_stmt *chunk = prepare("INSERT INTO chunks(id, pack, frame, offset, len)"
                                  " VALUES (?1, ?2, ?3, ?4, 262144)");
    const uint64_t step = UINT64_MAX / chunks;
    for (size_t i = 0; i < chunks; i++) {
        unsigned char id[HASH_SIZE];
        uint64_t prefix = i * step + draw() % step;
        draw_bytes(id, sizeof(id));
        for (size_t k = 0; k < sizeof(prefix); k++)
            id[k] = (unsigned char)(prefix >> (56 - 8 * k));
        sqlite3_bind_blob(chunk, 1, id, sizeof(id), SQLITE_TRANSIENT);
        sqlite3_bind_int64(chunk, 2, ids[draw() % packs]);
        sqlite3_bind_int64(chunk, 3, (sqlite3_int64)(draw() % (PACK_CHUNKS / FRAME_CHUNKS)));
        sqlite3_bind_int64(chunk, 4, (sqlite3_int64)(draw() % FRAME_CHUNKS * 262144));
        run_once(chunk);
    }
    sqlite3_stmt *counter = prepare("UPDATE meta SET value = value + ?1 WHERE key = 'chunks'");
    sqlite3_bind_int64(counter, 1, (sqlite3_int64)chunks);
    run_once(counter);
    run_sql("COMMIT");
    run_sql("PRAGMA wal_checkpoint(TRUNCATE)");
    free(ids);
    /* The process ends here, and its statements with it. */
}

static uint64_t number(const char *text)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || end == text || *end || value == 0)
        die("'%s' is no number", text);
    return value;
}

int main(int argc, char **argv)
{
    const char *kind = argc > 1 ? argv[1] : "";
    state = 20251122;
    make_words();
    if (argc == 4 && strcmp(kind, "source") == 0)
        make_source(argv[2], number(argv[3]));
    else if (argc == 4 && strcmp(kind, "tiny") == 0)
        make_tiny(argv[2], number(argv[3]));
    else if (argc == 5 && strcmp(kind, "image") == 0)
        make_image(argv[2], number(argv[3]), number(argv[4]));
    else if (argc == 4 && strcmp(kind, "catalog") == 0)
        make_catalog(argv[2], number(argv[3]));
    else
        die("usage: generate source|tiny DIR FILES, image FILE SIZE DATA, catalog FILE CHUNKS");
    return 0;
}
