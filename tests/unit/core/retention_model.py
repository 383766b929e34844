#!/usr/bin/python3
"""Retention, once more: random histories and ten years of daily runs, planned by the program and
by this model, which goes by the definition and by Python's own calendar and time zones.

usage: retention_model.py RETENTION-LINES

RETENTION-LINES is the program of that name.  The seed is the same in every run, and another one,
with more histories, if TOZAI_LONG is set; it is printed, so that a failure can be repeated with
TOZAI_TEST_SEED.  TOZAI_TEST_ROUNDS is the number of histories.
"""

import functools
import os
import random
import statistics
import subprocess
import sys
from collections import namedtuple
from datetime import date, datetime, timedelta, timezone

SKIPPED = 77
try:
    from zoneinfo import ZoneInfo
    ZoneInfo("Asia/Tokyo")
except (ImportError, KeyError) as error:
    print(f"skipped: no time zones ({error})")
    sys.exit(SKIPPED)

SECOND = 10**9
HOUR = 3600 * SECOND
DAY = 24 * HOUR
YEAR = 365 * DAY
ZONES = ["Asia/Tokyo", "Europe/London", "America/New_York", "Pacific/Apia", "Australia/Lord_Howe",
         "Africa/Casablanca", "America/Sao_Paulo", "Pacific/Kiritimati", "America/St_Johns",
         "Europe/Dublin", "Asia/Kathmandu", "UTC"]

Item = namedtuple("Item", "time id complete verified held", defaults=(True, False, False))
Policy = namedtuple("Policy", "zone last hourly daily weekly monthly yearly within window minimum",
                    defaults=("UTC", 0, 0, 0, 0, 0, 0, 0, 0, 3))
Case = namedtuple("Case", "name policy now force items")

LAST, HOURLY, DAILY, WEEKLY, MONTHLY, YEARLY, WITHIN, WINDOW, MINIMUM, VERIFIED, HELD, UNKNOWN = (
    1 << bit for bit in range(12))


# --- the model ---

@functools.lru_cache(maxsize=None)
def local(item, zone):
    return datetime.fromtimestamp(item.time // SECOND, ZoneInfo(zone))


PERIODS = {
    "hourly": (HOURLY, lambda t: (t.year, t.month, t.day, t.hour)),
    "daily": (DAILY, lambda t: t.date()),
    "weekly": (WEEKLY, lambda t: tuple(t.isocalendar())[:2]),
    "monthly": (MONTHLY, lambda t: (t.year, t.month)),
    "yearly": (YEARLY, lambda t: t.year),
}


def age_of(item):
    return (item.time, item.id)


def plan(policy, now, items):
    """The reasons of each item, as a dictionary."""
    good = [item for item in items if item.complete]
    reasons = {item: 0 for item in items}
    for item in sorted(good, key=age_of)[len(good) - min(policy.last, len(good)):]:
        reasons[item] |= LAST
    for name, (bit, period_of) in PERIODS.items():
        newest = {}
        for item in good:
            period = period_of(local(item, policy.zone))
            newest[period] = max(newest.get(period, item), item, key=age_of)
        wanted = getattr(policy, name)
        for period in sorted(newest)[max(0, len(newest) - wanted):] if wanted else []:
            reasons[newest[period]] |= bit
    for item in good:
        if policy.within and now - item.time <= policy.within:
            reasons[item] |= WITHIN
        if policy.window and now - item.time < policy.window:
            reasons[item] |= WINDOW
    before = [item for item in good if now - item.time >= policy.window]
    if policy.window and before:
        reasons[max(before, key=age_of)] |= WINDOW
    if any(item.verified for item in good):
        reasons[max((item for item in good if item.verified), key=age_of)] |= VERIFIED
    for item in items:
        if item.held:
            reasons[item] |= HELD
        if not item.complete and all(age_of(item) > age_of(other) for other in good):
            reasons[item] |= UNKNOWN
    goes = sorted((item for item in good if not reasons[item]), key=age_of)
    while goes and sum(1 for item in good if reasons[item]) < policy.minimum:
        reasons[goes.pop()] |= MINIMUM
    return reasons


def is_clock_odd(policy, now, items, reasons):
    if not items:
        return False
    if max(item.time for item in items) - now > DAY:
        return True
    span = max(policy.within, policy.window)
    old = sorted(item.time for item in items if max(0, now - item.time) > span)
    young = [item.time for item in items if max(0, now - item.time) <= span] + [now]
    if not span or len(old) < 4 or not any(
            item.complete and not reasons[item] for item in items if item.time in old):
        return False
    # The upper one of the two middle intervals, as for an even count.
    usual = statistics.median_high([b - a for a, b in zip(old, old[1:])][-31:])
    gap = min(young) - old[-1]
    return usual > 0 and gap > span and gap > 31 * DAY and gap // 20 > usual


def expected(case):
    reasons = plan(case.policy, case.now, case.items)
    if not case.force and is_clock_odd(case.policy, case.now, case.items, reasons):
        return "refused"
    return " ".join(str(reasons[item]) for item in case.items)


def kept(policy, now, items):
    reasons = plan(policy, now, items)
    return [item for item in items if reasons[item]]


# --- histories ---

class Draw:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.changes = {zone: self.find_changes(zone) for zone in ZONES}

    @staticmethod
    def find_changes(zone):
        """Moments near which the clocks of a zone are changed, 2005 to 2040."""
        start = datetime(2005, 1, 1, tzinfo=timezone.utc)
        moments = [start + timedelta(days=days) for days in range(35 * 365)]
        offsets = [moment.astimezone(ZoneInfo(zone)).utcoffset() for moment in moments]
        return [int(moment.timestamp()) * SECOND
                for moment, offset, before in zip(moments[1:], offsets[1:], offsets)
                if offset != before]

    def one_in(self, times):
        return self.random.randrange(times) == 0

    def policy(self, zone):
        pick = self.random.choice
        counts = [0 if self.one_in(3) else self.random.choice([1, 2, 3, 4, 7, 12, 24, 1000000])
                  for _ in range(6)]
        spans = [pick([0, 0, 4 * DAY, 7 * DAY, 90 * DAY, self.random.randint(1, 400 * DAY)])
                 for _ in range(2)]
        if not any(counts + spans):
            counts[2] = 7
        return Policy(zone, *counts, *spans, pick([1, 3, 3, 5, 9]))

    def place(self, zone):
        """Where a history ends."""
        kind = self.random.randrange(6)
        if kind <= 1 and self.changes[zone]:
            return self.random.choice(self.changes[zone]) + self.random.randint(0, 3 * DAY)
        day = date(self.random.randint(1996, 2060), 1, 1)
        if kind == 2:  # about the new year, with week 53 or without it
            day += timedelta(days=self.random.randint(-5, 12))
        elif kind == 3:
            day = date(self.random.choice([1996, 2000, 2024, 2028]), 2, 28) + timedelta(
                days=self.random.randint(0, 5))
        elif kind == 4:  # the day that Apia has not
            day = date(2011, 12, 29) + timedelta(days=self.random.randint(0, 6))
        else:
            day += timedelta(days=self.random.randint(0, 364))
        moment = datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
        return int(moment.timestamp()) * SECOND + self.random.randint(0, DAY)

    def times(self, end):
        steps = self.random.choice([
            [DAY], [DAY, DAY, DAY, 3 * DAY], [HOUR], [HOUR // 2], [20 * 60 * SECOND],
            [6 * HOUR, 18 * HOUR, 1], [7 * DAY, DAY], [0, DAY, HOUR], [30 * DAY, DAY], [100 * DAY]])
        at, out = end, []
        for _ in range(self.random.choice([0, 1, 2, 5, 10, 30, 60])):
            out.append(at)
            at -= self.random.choice(steps)
            if self.one_in(50):
                at -= self.random.choice([YEAR, 40 * DAY])  # the clock leapt, or nothing ran
        if out and self.one_in(12):
            out[self.random.randrange(len(out))] += self.random.choice([YEAR, -YEAR])
        return out

    def history(self):
        zone = self.random.choice(ZONES)
        end = self.place(zone)
        numbers = self.random.sample(range(1 << 40), 60)
        items = [Item(time, numbers[i], not self.one_in(8), self.one_in(10), self.one_in(40))
                 for i, time in enumerate(self.times(end))]
        self.random.shuffle(items)
        now = end + self.random.choice([0, 1, HOUR, DAY, -DAY, -DAY - 1, -YEAR, YEAR,
                                        self.random.randint(0, 60 * DAY)])
        return self.policy(zone), now, items


def random_cases(draw, count):
    for number in range(count):
        policy, now, items = draw.history()
        name = f"history {number}"
        yield Case(name, policy, now, False, items)
        yield Case(f"{name}, forced", policy, now, True, items)
        # In another order: the same reasons.
        other = items[:]
        draw.random.shuffle(other)
        reasons = plan(policy, now, items)
        assert plan(policy, now, other) == reasons
        yield Case(f"{name}, in another order", policy, now, True, other)
        # Once more over what stays: nothing goes.
        stay = kept(policy, now, items)
        assert kept(policy, now, stay) == stay, name
        yield Case(f"{name}, again", policy, now, True, stay)
        # A newer one brings nothing back; the minimum alone looks at all that there is.
        if items:
            newer = Item(max(max(item.time for item in items), now) + draw.random.randint(0, 9 * DAY),
                         1 << 41)
            later = plan(policy, newer.time, items + [newer])
            assert all(reasons[item] or not later[item] & ~MINIMUM for item in items), name
            yield Case(f"{name}, and a newer one", policy, newer.time, True, items + [newer])
            assert all(item in stay for item in kept(policy, newer.time, stay + [newer])[:-1]), name


def years(policy, name, runs, missed=lambda day: False):
    """Ten years of runs at these local times, each day with a prune behind them."""
    zone = ZoneInfo(policy.zone)
    there, everything = [], []
    for days in range(3653):
        day = date(2019, 12, 28) + timedelta(days=days)
        for hour, minute in [] if missed(day) else runs:
            at = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
            item = Item(int(at.timestamp()) * SECOND, len(everything) + 1, True, days % 30 == 7)
            there.append(item)
            everything.append(item)
        if not there:
            continue
        now = there[-1].time + HOUR
        yield Case(f"{name}, {day}", policy, now, False, there)
        there = kept(policy, now, there)
        if days % 73 == 0:
            # What daily prunes left is what one prune of everything leaves.
            assert set(kept(policy, now, everything)) == set(there), f"{name}, {day}"
            yield Case(f"{name}, {day}, all at once", policy, now, False, list(everything))


def year_cases(draw):
    shop = Policy("Asia/Tokyo", daily=7, weekly=4)
    yield from years(shop, "7 daily, 4 weekly", [(3, 0)])
    yield from years(shop._replace(zone="Europe/London", monthly=12, yearly=3),
                     "with months and years", [(1, 30)], lambda day: day.toordinal() % 11 == 0)
    yield from years(Policy("America/Sao_Paulo", daily=4), "the last 4 days", [(0, 5), (12, 0)])
    yield from years(Policy("Pacific/Apia", last=7, within=91 * DAY), "7, and 3 months", [(5, 0)],
                     lambda day: draw.random.randrange(3) == 0)
    yield from years(Policy("Australia/Lord_Howe", window=7 * DAY, hourly=5),
                     "any moment of 7 days", [(1, 45), (23, 0)])


# --- the comparison ---

def as_line(case):
    policy = case.policy
    head = [policy.zone, case.now, int(case.force), *policy[1:]]
    items = [f"{item.time}:{item.id}:{item.complete + 2 * item.verified + 4 * item.held}"
             for item in case.items]
    return " ".join(map(str, head + items))


def compare(program, cases):
    """The number of differences."""
    done = subprocess.run([program], input="".join(as_line(case) + "\n" for case in cases),
                          stdout=subprocess.PIPE, encoding="ascii", check=False)
    answers = done.stdout.splitlines()
    if done.returncode or len(answers) != len(cases):
        print(f"no answer: {cases[len(answers)]}")
        return 1
    bad = 0
    for case, answer in zip(cases, answers):
        wanted = expected(case)
        if answer != wanted:
            bad += 1
            if bad < 5:
                print(f"{case.name}: {case}\n  found    {answer}\n  expected {wanted}")
    print(f"{len(cases) - bad} of {len(cases)} alike, {answers.count('refused')} refused", flush=True)
    return bad


def main():
    long = bool(os.environ.get("TOZAI_LONG"))
    program = sys.argv[1]
    seed = int(os.environ.get("TOZAI_TEST_SEED") or (random.getrandbits(32) if long else 1))
    count = int(os.environ.get("TOZAI_TEST_ROUNDS") or (20000 if long else 1500))
    print(f"seed {seed}, {count} histories", flush=True)
    draw = Draw(seed)
    bad = compare(program, list(random_cases(draw, count)))
    bad += compare(program, list(year_cases(draw)))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
