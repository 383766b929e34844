#include "page.h"

#include "tozai/util/time.h"

#include <string.h>

#include "tozai/util/banned.h"

static const char style[] =
    ":root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--text:#1b1f24;--soft:#5b6570;"
    "--line:#d7dce1;--good:#1a7f4b;--bad:#c62828;--warn:#9a5b00;--none:#e6e9ed;--curve:#1f6feb}"
    "@media(prefers-color-scheme:dark){:root{--bg:#14171a;--card:#1e2327;--text:#e8eaed;"
    "--soft:#a3adb7;--line:#343b42;--good:#3fb97b;--bad:#ff6b62;--warn:#e3a03c;--none:#2b3137;"
    "--curve:#6aa8ff}}"
    "*{box-sizing:border-box}"
    "body{margin:0;background:var(--bg);color:var(--text);"
    "font:15px/1.45 system-ui,-apple-system,'Segoe UI','Noto Sans','Noto Sans CJK JP',sans-serif}"
    "main{max-width:1120px;margin:0 auto;padding:20px 16px 40px}"
    "header{display:flex;flex-wrap:wrap;gap:4px 16px;align-items:baseline;margin-bottom:8px}"
    "h1{font-size:24px;margin:0}h2{font-size:15px;margin:24px 0 8px;color:var(--soft)}"
    "h3{font-size:17px;margin:0;overflow-wrap:anywhere}"
    ".soft{color:var(--soft)}"
    ".cards{display:grid;gap:14px;grid-template-columns:repeat(auto-fit,minmax(min(100%,330px),1fr)"
    ")}"
    ".card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px "
    "16px;"
    "margin-bottom:14px}.cards .card{margin:0}"
    ".top{display:flex;flex-wrap:wrap;gap:4px 10px;align-items:baseline}"
    ".badge{border-radius:99px;padding:1px 10px;font-size:13px;font-weight:600;color:var(--card);"
    "background:var(--good);white-space:nowrap}"
    ".badge.bad{background:var(--bad)}.badge.warn{background:var(--warn)}"
    ".badge.left{background:var(--soft)}"
    ".grid{display:grid;gap:18px;grid-template-columns:3fr 2fr;margin-top:12px}"
    "@media(max-width:720px){.grid{grid-template-columns:1fr}}"
    ".name{font-size:13px;color:var(--soft);margin:0 0 4px}"
    ".line{position:relative;height:34px;background:var(--none);border-radius:6px;overflow:hidden}"
    ".line i{position:absolute;top:0;bottom:0}"
    ".line .week{border-left:1px solid var(--line)}"
    ".line .hole{background:var(--bad)}"
    ".line .point{width:4px;margin-left:-2px;top:5px;bottom:5px;border-radius:2px;"
    "background:var(--good)}"
    ".line .point.warn{background:var(--warn)}"
    ".axis{position:relative;height:18px;font-size:12px;color:var(--soft)}"
    ".axis span{position:absolute;white-space:nowrap}"
    ".slots{display:flex;gap:4px;margin-top:12px}"
    ".slot{flex:1 1 0;min-width:0;text-align:center;font-size:12px;color:var(--soft)}"
    ".slot b{display:block;border-radius:5px;padding:3px 0;font-size:13px;background:var(--none);"
    "color:var(--soft);border:1px solid transparent}"
    ".slot.there b{background:var(--good);color:var(--card)}"
    ".slot.missing b{background:var(--bad);color:var(--card)}"
    ".slot.now b{border-color:var(--soft)}"
    "dl{display:grid;grid-template-columns:auto 1fr;gap:2px 14px;margin:0}"
    "dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}"
    "svg{display:block;width:100%;height:70px;margin-bottom:2px}"
    "svg polyline{fill:none;stroke:var(--curve);stroke-width:2;vector-effect:non-scaling-stroke}"
    "svg polygon{fill:var(--curve);opacity:.15}"
    ".ends{display:flex;justify-content:space-between;font-size:12px;color:var(--soft);"
    "margin-bottom:10px}"
    ".key{font-size:12px;color:var(--soft);margin-top:6px}"
    ".key i{display:inline-block;width:10px;height:10px;border-radius:2px;margin:0 4px 0 10px}"
    ".key i:first-child{margin-left:0}";

static const char *entity(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void tz_page_text(struct tz_page *page, const char *text)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf shown = {0};

    page->failed = page->failed || tz_escape(&shown, text, strlen(text), page->err);
    for (size_t i = 0; i < shown.len && !page->failed; i++) {
        const char *as = entity((char)shown.data[i]);
        page->failed = as ? tz_buf_append(page->out, as, strlen(as), page->err)
                          : tz_buf_append(page->out, &shown.data[i], 1, page->err);
    }
}

void tz_page_time(struct tz_page *page, int64_t time_ns)
{
    char exact[TZ_TIME_TEXT], local[TZ_TIME_TEXT];

    if (time_ns == 0) {
        tz_page_put(page, "never");
        return;
    }
    tz_time_format(exact, time_ns);
    tz_time_format_local(local, time_ns);
    /* Seconds are of no use here. */
    tz_page_put(page, "<time datetime=\"%s\" title=\"%s\">%.16s</time>", exact, exact, local);
}

void tz_page_size(struct tz_page *page, uint64_t bytes)
{
    char text[TZ_SIZE_TEXT];

    tz_size_format(text, bytes);
    tz_page_put(page, "%s", text);
}

void tz_page_begin(struct tz_page *page, const char *title)
{
    tz_page_put(page, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                      "<meta http-equiv=\"Content-Security-Policy\""
                      " content=\"default-src 'none';style-src 'unsafe-inline'\">\n<title>");
    tz_page_text(page, title);
    tz_page_put(page, "</title>\n<style>%s</style>\n</head>\n<body>\n<main>\n", style);
}

int tz_page_end(struct tz_page *page)
{
    tz_page_put(page, "</main>\n</body>\n</html>\n");
    return page->failed ? -1 : 0;
}
