"""Days and moments. Business time is Asia/Shanghai, said here once and nowhere else."""

import datetime as dt
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")


def wall_time(moment: dt.datetime) -> dt.datetime:
    """Return a moment as Shanghai wall time without a zone; a moment without a zone already is."""
    return moment if moment.tzinfo is None else moment.astimezone(SHANGHAI).replace(tzinfo=None)
