"""What other implementations make of rules and calendars. Reads one JSON document from standard input, writes one.

{"expand": [...]}: each a rule with its start, zone and dates, by python-dateutil in floating local time, settled by zoneinfo.
{"read": text}: the events of a calendar, by icalendar.
{"happen": {"text", "from", "to"}}: what happens in a time, by recurring-ical-events.
"""

import datetime
import itertools
import json
import sys
import types
import warnings
import zoneinfo

import icalendar
import recurring_ical_events
from dateutil import rrule

# The database of the package tzdata, not the machine's.
zoneinfo.reset_tzpath(to=())
warnings.simplefilter("ignore", DeprecationWarning)
# Where no day fits, dateutil looks until the last year that there is.
rrule.datetime = types.SimpleNamespace(**{**vars(datetime), "MAXYEAR": 2040})
UTC = datetime.timezone.utc


def settle(local, zone):
    """In the gap moved forward by it, in the fold the first: that is how PEP 495 reads fold=0."""
    return int(local.replace(tzinfo=zone, fold=0).timestamp())


def expand(case):
    zone = zoneinfo.ZoneInfo(case["zone"])
    start = datetime.datetime.fromisoformat(case["start"])
    bound = start + datetime.timedelta(days=1900)
    rule = rrule.rrulestr(case["rule"], dtstart=start).replace(until=bound)
    until = case["until"]
    seconds = (settle(local, zone) for local in rule)
    found = set(itertools.takewhile(lambda at: until is None or at <= until, seconds))
    dates = {name: {settle(datetime.datetime.fromisoformat(local), zone) for local in case[name]} for name in ("added", "excluded")}
    return sorted((found | dates["added"]) - dates["excluded"])


def seconds(value):
    return int(value.dt.timestamp())


def own(value):
    """A property whose name begins with X-: text, which the library leaves as it stands."""
    return icalendar.parser.unescape_char(str(value))


def read(text):
    calendar = icalendar.Calendar.from_ical(text)
    events = []
    for event in calendar.walk("VEVENT"):
        assert not event.errors, event.errors
        events.append({
            "uid": str(event["UID"]),
            "summary": str(event["SUMMARY"]),
            "status": str(event["STATUS"]),
            "sequence": int(event["SEQUENCE"]),
            "at": seconds(event["DTSTART"]),
            "end": seconds(event["DTEND"]) if "DTEND" in event else None,
            "modified": seconds(event["LAST-MODIFIED"]),
            "stamp": seconds(event["DTSTAMP"]),
            "categories": [str(one) for one in event["CATEGORIES"].cats] if "CATEGORIES" in event else [],
            "extra": own(event["X-PRESSGATE-STATE"]),
        })
    return {"name": own(calendar["X-WR-CALNAME"]), "events": events}


def happen(asked):
    calendar = icalendar.Calendar.from_ical(asked["text"])
    begin, end = (datetime.datetime.fromtimestamp(asked[name], UTC) for name in ("from", "to"))
    found = recurring_ical_events.of(calendar).between(begin, end)
    return sorted([str(event["SUMMARY"]), seconds(event["DTSTART"]), seconds(event["DTEND"])] for event in found)


asked = json.load(sys.stdin)
answers = {}
if "expand" in asked:
    answers["expand"] = [expand(case) for case in asked["expand"]]
if "read" in asked:
    answers["read"] = read(asked["read"])
if "happen" in asked:
    answers["happen"] = happen(asked["happen"])
json.dump(answers, sys.stdout)
