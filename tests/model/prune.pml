/*
 * Backups and prunes beside each other (docs/design.md), checked by spin (tests/model/check).
 *
 * One pack is enough: it lies in two stores, an old generation needs it, and writers would like to
 * refer to it.  A process may pause for ever between any two steps, which is all that a crash is to
 * the others; what is started again is a prune that begins anew, or another writer.  A store may be
 * out for one process and not for another, at any step.
 *
 * The property: where head and seal of a generation are, the pack is.
 *
 *   -DNO_THIRD_LOOK   a writer seals without looking again       } spin must find
 *   -DWITHDRAW        a prune takes back what turns out needed   } a loss
 */
#define STORES  2
#define WRITERS 2
#define PRUNERS 2
#define OLD     WRITERS          /* the generation that was there before */
#define HEADS   (WRITERS + 1)

#define AT(g, s) ((g) * STORES + (s))

bool pack[STORES];
bool tombstone[STORES];
bool head[HEADS * STORES];
bool seal[HEADS * STORES];
bool slept[WRITERS]; /* for longer than tombstones stand and unfinished heads live: 30 days */

#define WHOLE(g, s) (!(head[AT(g, s)] && seal[AT(g, s)]) || pack[s])
#define CHECK                                                                                      \
    assert(WHOLE(0, 0) && WHOLE(0, 1) && WHOLE(1, 0) && WHOLE(1, 1) && WHOLE(2, 0) && WHOLE(2, 1))

/* One step of a look in one store.  bad: the pack is condemned, or gone, or so is our own head. */
inline see_tombstone(s)
{
    atomic {
        bad = bad || (use[s] && tombstone[s])
    }
}

inline see_pack(s)
{
    atomic {
        if
        :: use[s] && slept[me] -> bad = bad || !pack[s] || (wrote[s] && !head[AT(me, s)])
        :: else
        fi
    }
}

/* Tombstones first, in every store that is in use; then packs, if it has slept. */
inline look()
{
    see_tombstone(0);
    see_tombstone(1);
    see_pack(0);
    see_pack(1)
}

inline put_head(s)
{
    atomic {
        if
        :: use[s] -> head[AT(me, s)] = true; wrote[s] = true
        :: use[s] -> head[AT(me, s)] = true; use[s] = false /* no answer came */
        :: use[s] -> use[s] = false
        :: !use[s]
        fi;
        CHECK
    }
}

inline put_seal(s)
{
    atomic {
        seal[AT(me, s)] = seal[AT(me, s)] || wrote[s];
        CHECK
    }
}

/* The second look is left out: it only saves work. */
proctype writer(byte me)
{
    bool use[STORES], wrote[STORES], bad;

    d_step { use[0] = true; use[1] = true };
    /* It learns tombstones and where the pack is, and would refer to it. */
    see_tombstone(0);
    see_tombstone(1);
    atomic {
        use[0] = use[0] && pack[0]; /* the head comes only where the pack is */
        use[1] = use[1] && pack[1];
        if
        :: bad || (!use[0] && !use[1]) -> goto end /* it stores a pack of its own */
        :: else
        fi
    }
    put_head(0);
    put_head(1);
#ifndef NO_THIRD_LOOK
    look();
    if
    :: bad || (!use[0] && !use[1]) -> goto end /* a head without a seal */
    :: else
    fi;
#endif
    put_seal(0);
    put_seal(1);
end:
    skip;
    d_step { use[0] = false; use[1] = false; wrote[0] = false; wrote[1] = false; bad = false }
}

/* Does any head need the pack?  One store after the other. */
inline list_heads()
{
    found = head[AT(0, 0)] || head[AT(1, 0)] || head[AT(2, 0)];
    found = found || head[AT(0, 1)] || head[AT(1, 1)] || head[AT(2, 1)]
}

/* Seals first, then heads. */
inline forget(g)
{
    seal[AT(g, 0)] = false;
    seal[AT(g, 1)] = false;
    head[AT(g, 0)] = false;
    head[AT(g, 1)] = false
}

/* One of the two forgets and cleans up for both: it could not be told whose step it was. */
proctype pruner(bool keeper)
{
    bool found;

    do
    :: /* A generation that is complete somewhere goes. */
        if
        :: keeper && (seal[AT(0, 0)] || seal[AT(0, 1)]) -> forget(0)
        :: keeper && (seal[AT(1, 0)] || seal[AT(1, 1)]) -> forget(1)
        :: keeper && (seal[AT(2, 0)] || seal[AT(2, 1)]) -> forget(2)
        fi
    :: /* A head that never got its seal is given up: its writer has slept. */
        if
        :: atomic { keeper && (head[AT(0, 0)] || head[AT(0, 1)]) && !seal[AT(0, 0)] && !seal[AT(0, 1)] ->
                    slept[0] = true;
                    head[AT(0, 0)] = false; head[AT(0, 1)] = false }
        :: atomic { keeper && (head[AT(1, 0)] || head[AT(1, 1)]) && !seal[AT(1, 0)] && !seal[AT(1, 1)] ->
                    slept[1] = true;
                    head[AT(1, 0)] = false; head[AT(1, 1)] = false }
        fi
    :: /* Phase 1. */
        (pack[0] || pack[1]) && !(tombstone[0] && tombstone[1]);
        list_heads();
        if
        :: found -> found = false
        :: else ->
            tombstone[0] = true;
            tombstone[1] = true
        fi
    :: /* Phase 2: the tombstones of all stores, then the heads of all stores. */
        (pack[0] || pack[1]) && tombstone[0];
        if
        :: tombstone[1] ->
            list_heads();
            if
            :: found ->
                found = false;
#ifdef WITHDRAW
                tombstone[0] = false;
                tombstone[1] = false
#endif
            :: else ->
                atomic { pack[0] = false; CHECK };
                atomic { pack[1] = false; CHECK }
            fi
        :: else
        fi
    :: /* The tombstone goes 30 days after the pack. */
        atomic { keeper && !pack[0] && !pack[1] && (tombstone[0] || tombstone[1]) ->
                 slept[0] = true; slept[1] = true };
        tombstone[0] = false;
        tombstone[1] = false
    od
}

init {
    atomic {
        pack[0] = true;
        pack[1] = true;
        head[AT(OLD, 0)] = true;
        head[AT(OLD, 1)] = true;
        seal[AT(OLD, 0)] = true;
        seal[AT(OLD, 1)] = true;
        run pruner(true);
        run pruner(false);
        run writer(0);
        run writer(1)
    }
}
