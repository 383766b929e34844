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
 *
 * With -DSYNC one writer and one prune have a sync beside them, which copies between stores what one
 * of them lacks.  Now it matters that others learn of a pack by an index that describes it, and that
 * a tombstone names the heads that are forgotten: one that a late sync has brought back is no
 * generation as long as its tombstone stands.
 *
 *   -DINDEX_ALONE     a sync copies the index of a pack that it could not copy    } spin must
 *   -DNO_SYNC_END     a sync goes on after tombstones that it has seen have gone  } find a loss
 */
#define STORES 2
#ifdef SYNC
#define WRITERS 1
#else
#define WRITERS 2
#endif
#define OLD   WRITERS /* the generation that was there before */
#define HEADS (WRITERS + 1)

#define AT(g, s) ((g) * STORES + (s))

bool pack[STORES];
bool tombstone[STORES]; /* of the pack */
bool head[HEADS * STORES];
bool seal[HEADS * STORES];
bool slept[WRITERS]; /* for longer than tombstones stand and unfinished heads live: 30 days */

#ifdef SYNC
bool index[STORES];
bool grave[HEADS]; /* a tombstone that names the head stands in every store */
bool busy;                  /* a sync that runs for longer than tombstones stand stops itself */
#define DESCRIBED(s) index[s]
#define GONE(g)      (!head[AT(g, 0)] && !head[AT(g, 1)] && !seal[AT(g, 0)] && !seal[AT(g, 1)])
#define FORGOTTEN(g) grave[g]
#else
#define DESCRIBED(s) pack[s]
#define FORGOTTEN(g) false
#endif

#define WHOLE_IN(g, s) (!(head[AT(g, s)] && seal[AT(g, s)]) || pack[s])
#define WHOLE(g)       (FORGOTTEN(g) || (WHOLE_IN(g, 0) && WHOLE_IN(g, 1)))
#ifdef SYNC
#define CHECK      assert(WHOLE(0) && WHOLE(1))
#define HAS_ANY(s) (head[AT(0, s)] || head[AT(1, s)])
#else
#define CHECK      assert(WHOLE(0) && WHOLE(1) && WHOLE(2))
#define HAS_ANY(s) (head[AT(0, s)] || head[AT(1, s)] || head[AT(2, s)])
#endif
#define UNSEALED(g)                                                                                \
    ((head[AT(g, 0)] || head[AT(g, 1)]) && !seal[AT(g, 0)] && !seal[AT(g, 1)])

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

/* What it learns of tombstones at its start, and the second look, are left out: they only save
 * work. */
proctype writer(byte me)
{
    bool use[STORES], wrote[STORES], bad;

    d_step { use[0] = true; use[1] = true };
    /* It learns where the pack is described, and would refer to it. */
    atomic {
        use[0] = use[0] && DESCRIBED(0); /* the head comes only where the pack is */
        use[1] = use[1] && DESCRIBED(1);
        if
        :: !use[0] && !use[1] -> goto end /* it stores a pack of its own */
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
    found = HAS_ANY(0);
    found = found || HAS_ANY(1)
}

/* Seals first, then heads. */
inline forget(g)
{
#ifdef SYNC
    grave[g] = true;
#endif
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
#ifndef SYNC
        :: keeper && (seal[AT(2, 0)] || seal[AT(2, 1)]) -> forget(2)
#endif
        fi
    :: /* A head that never got its seal is given up: its writer has slept. */
#ifdef SYNC
        atomic { keeper && UNSEALED(0) -> slept[0] = true };
        forget(0)
#else
        if
        :: atomic { keeper && UNSEALED(0) -> slept[0] = true;
                    head[AT(0, 0)] = false; head[AT(0, 1)] = false }
        :: atomic { keeper && UNSEALED(1) -> slept[1] = true;
                    head[AT(1, 0)] = false; head[AT(1, 1)] = false }
        fi
#endif
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
#ifdef SYNC
    :: /* Indexes are cleaned of what has gone. */
        (index[0] || index[1]) && !pack[0] && !pack[1] && tombstone[0] && tombstone[1];
        index[0] = false;
        index[1] = false
    :: /* A tombstone goes 30 days after all that it names. */
        atomic { (tombstone[0] || tombstone[1]) && !pack[0] && !pack[1] && !index[0] &&
                 !index[1] && !busy -> slept[0] = true };
        tombstone[0] = false;
        tombstone[1] = false
    :: atomic { grave[0] && GONE(0) && !busy -> slept[0] = true; grave[0] = false }
    :: atomic { grave[OLD] && GONE(OLD) && !busy -> slept[0] = true; grave[OLD] = false }
#else
    :: /* The tombstone goes 30 days after the pack. */
        atomic { keeper && !pack[0] && !pack[1] && (tombstone[0] || tombstone[1]) ->
                 slept[0] = true; slept[1] = true };
        tombstone[0] = false;
        tombstone[1] = false
#endif
    od
}

#ifdef SYNC
#ifdef INDEX_ALONE
#define MAY_COPY_INDEX true
#else
#define MAY_COPY_INDEX has_pack
#endif
#define TO (1 - from)

/*
 * One generation is enough, too: another run may take the other one.  Packs are copied whatever is
 * condemned, which is more than a sync may do.  Between what it sees and what it writes lies a pause
 * as between any two steps.
 */
proctype sync()
{
    byte g, from;
    bool has_pack;

    do
    :: atomic {
#ifndef NO_SYNC_END
            busy = true;
#endif
            if
            :: g = 0
            :: g = OLD
            fi;
            if
            :: from = 0
            :: from = 1
            fi
        };
        has_pack = pack[TO];
        if
        :: pack[from] -> atomic { pack[TO] = true; has_pack = true }
        :: skip /* it could not be read */
        fi;
        if
        :: MAY_COPY_INDEX && index[from] -> index[TO] = true
        :: else
        fi;
        /* A look: tombstones before heads; stores answer in any order.  A head goes where its pack
         * is, while it stands elsewhere. */
        if
        :: has_pack && !grave[g]
        :: else -> goto done
        fi;
        if
        :: head[AT(g, from)]; !head[AT(g, TO)]; atomic { head[AT(g, TO)] = true; CHECK }
        :: !head[AT(g, TO)]; head[AT(g, from)]; atomic { head[AT(g, TO)] = true; CHECK }
        :: skip
        fi;
        /* Another look.  A seal goes where its head is, while both stand elsewhere. */
        if
        :: !grave[g]
        :: else -> goto done
        fi;
        if
        :: head[AT(g, from)] && seal[AT(g, from)]; head[AT(g, TO)];
            atomic { seal[AT(g, TO)] = true; CHECK }
        :: head[AT(g, TO)]; head[AT(g, from)] && seal[AT(g, from)];
            atomic { seal[AT(g, TO)] = true; CHECK }
        :: skip
        fi;
done:
        skip;
        d_step { busy = false; g = 0; from = 0; has_pack = false }
    od
}
#endif

init {
    atomic {
        pack[0] = true;
        head[AT(OLD, 0)] = true;
        seal[AT(OLD, 0)] = true;
#ifdef SYNC
        index[0] = true;
        /* A store may have been away, or emptied. */
        if
        :: skip
        :: pack[1] = true
        :: pack[1] = true; index[1] = true; head[AT(OLD, 1)] = true
        :: pack[1] = true; index[1] = true; head[AT(OLD, 1)] = true; seal[AT(OLD, 1)] = true
        fi;
        run pruner(true);
        run writer(0);
        run sync()
#else
        pack[1] = true;
        head[AT(OLD, 1)] = true;
        seal[AT(OLD, 1)] = true;
        run pruner(true);
        run pruner(false);
        run writer(0);
        run writer(1)
#endif
    }
}
