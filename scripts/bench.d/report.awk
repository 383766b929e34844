# From the rows of scripts/bench to tables: medians, ratios and targets.
#
# A ratio is tozai's figure by the better (smaller) one of restic and borg; the second is by the
# pipe.  A program that failed in one repetition has no figure.
BEGIN {
    FS = "\t"
    split("source binaries media database tiny image", corpora, " ")
    split("tozai restic borg pipe copy", programs, " ")
    split("first unchanged restore check changed", operations, " ")
    title["first"] = "First backup"
    title["unchanged"] = "Backup with nothing changed"
    title["restore"] = "Restore of everything, to memory"
    title["check"] = "Check of all content"
    title["changed"] = "Backup after changes"
    # In the order of the corpora.
    set_targets("first", ".5 .85 .95 .8 .2")
    set_targets("unchanged", ".12 .5 .3 .3 .12")
    set_targets("restore", ".7 .8 .6 .7 .4")
    set_targets("check", ".5 .65 .4 .6 .15")
    set_targets("stored", ".80 .98 1.01 1.05 .55")
    target["added", "database"] = .5
    wall_target = .6
    peak_target = 128
}

function set_targets(name, list, parts, i, n) {
    n = split(list, parts, " ")
    for (i = 1; i <= n; i++)
        target[name, corpora[i]] = parts[i]
}

/^# cores / { cores = substr($0, 9) }
/^#/ { print; next }
$1 == "corpus" { next }
{
    key = $1 SUBSEP $2 SUBSEP $3
    seen[$1, $3] = has[$2] = has_corpus[$1] = 1
    if ($5 != 0) {
        failed[key] = 1
        next
    }
    n = ++count[key]
    cpu[key, n] = $7 + $8
    wall[key, n] = $6
    peak[key, n] = $9 / 1024
    stored[key, n] = $11 / 1e6
}

# The median of one figure, or -1 if there is none.
function median(figures, key, n, i, k, sorted, x) {
    n = count[key]
    if (!n || failed[key])
        return -1
    for (i = 1; i <= n; i++) {
        x = figures[key, i]
        for (k = i; k > 1 && sorted[k - 1] > x; k--)
            sorted[k] = sorted[k - 1]
        sorted[k] = x
    }
    return n % 2 ? sorted[(n + 1) / 2] : (sorted[n / 2] + sorted[n / 2 + 1]) / 2
}

function better(a, b) {
    if (a < 0 || b < 0)
        return a < 0 ? b : a
    return a < b ? a : b
}

function ratio(a, b) {
    return a >= 0 && b > 0 ? sprintf("%.2f", a / b) : "-"
}

# Note what was wanted and what was reached; the mark of a miss, or nothing.
function judge(what, value, want) {
    wanted++
    if (value <= want)
        return ""
    misses[++missed] = sprintf("%s: %.2f, wanted %.2f", what, value, want)
    return " MISS"
}

# Three columns: ratio to the better of restic and borg, what it should be, ratio to the pipe.
function print_ratios(name, corpus, figure, what, best, mark) {
    best = better(figure["restic"], figure["borg"])
    mark = ""
    if ((name, corpus) in target && figure["tozai"] >= 0 && best > 0)
        mark = judge(what, figure["tozai"] / best, target[name, corpus])
    printf "%8s %6s %7s%s\n", ratio(figure["tozai"], best),
        ((name, corpus) in target) ? sprintf("%.2f", target[name, corpus]) : "-",
        ratio(figure["tozai"], figure["pipe"]), mark
}

function print_head(name, p) {
    printf "%-9s", "corpus"
    for (p = 1; p in programs; p++)
        if (has[programs[p]])
            printf " %-20s", programs[p]
    printf "%8s %6s %7s\n", "ratio", "target", "by pipe"
}

function print_operation(operation, c, p, corpus, program, key, figure, what, x) {
    printf "\n%s: CPU s (wall s) peak MiB\n", title[operation]
    print_head()
    for (c = 1; c in corpora; c++) {
        corpus = corpora[c]
        if (!seen[corpus, operation])
            continue
        printf "%-9s", corpus
        for (p = 1; p in programs; p++) {
            program = programs[p]
            key = corpus SUBSEP program SUBSEP operation
            figure[program] = median(cpu, key)
            if (!has[program])
                continue
            x = failed[key] ? "failed" : "-"
            if (figure[program] >= 0)
                x = sprintf("%.2f (%.2f) %.0f", figure[program], median(wall, key),
                    median(peak, key))
            printf " %-20s", x
        }
        print_ratios(operation, corpus, figure, title[operation] ", " corpus)
    }
}

# Bytes: what a store holds after the first backup, and what the changes added.
function print_bytes(name, heading, c, p, corpus, program, figure, any) {
    for (c = 1; c in corpora; c++)
        any = any || seen[corpora[c], name == "added" ? "changed" : "first"]
    if (!any)
        return
    printf "\n%s\n", heading
    print_head()
    for (c = 1; c in corpora; c++) {
        corpus = corpora[c]
        if (!seen[corpus, name == "added" ? "changed" : "first"])
            continue
        printf "%-9s", corpus
        for (p = 1; p in programs; p++) {
            program = programs[p]
            figure[program] = bytes_of(name, corpus, program)
            if (has[program])
                printf " %-20s", figure[program] < 0 ? "-" : sprintf("%.1f", figure[program])
        }
        print_ratios(name, corpus, figure, heading ", " corpus)
    }
}

function bytes_of(name, corpus, program, before, after) {
    if (name == "stored")
        return median(stored, corpus SUBSEP program SUBSEP "first")
    before = median(stored, corpus SUBSEP program SUBSEP "unchanged")
    if (before < 0)
        before = median(stored, corpus SUBSEP program SUBSEP "first")
    after = median(stored, corpus SUBSEP program SUBSEP "changed")
    return before < 0 || after < 0 || program == "copy" ? -1 : after - before
}

# tozai by itself: both cores at work, and memory bounded.
function print_own(o, c, operation, corpus, key, x, mark) {
    if (!has["tozai"])
        return
    printf "\ntozai: wall by CPU (at most %.1f on two cores) and peak MiB (at most %d)\n",
        wall_target, peak_target
    for (o = 1; o in operations; o++) {
        operation = operations[o]
        for (c = 1; c in corpora; c++) {
            corpus = corpora[c]
            key = corpus SUBSEP "tozai" SUBSEP operation
            x = median(cpu, key)
            if (x <= 0)
                continue
            mark = ""
            if (cores == 2 && operation ~ /^(first|check)$/)
                mark = judge("Wall by CPU, " operation ", " corpus, median(wall, key) / x,
                    wall_target)
            mark = mark judge("Peak MiB, " operation ", " corpus, median(peak, key), peak_target)
            printf "%-10s %-9s %5.2f %5.0f%s\n", operation, corpus, median(wall, key) / x,
                median(peak, key), mark
        }
    }
}

END {
    for (o = 1; o in operations; o++) {
        any = 0
        for (c = 1; c in corpora; c++)
            any = any || seen[corpora[c], operations[o]]
        if (any)
            print_operation(operations[o])
    }
    print_bytes("stored", "Stored bytes per store after the first backup, MB")
    print_bytes("added", "Stored bytes that the changes added, MB")
    print_own()
    for (key in failed) {
        split(key, part, SUBSEP)
        if (failed[key])
            misses[++missed] = part[2] " failed: " part[3] ", " part[1]
    }
    printf "\n%d targets, %d misses\n", wanted, missed
    for (i = 1; i <= missed; i++)
        print "  " misses[i]
}
