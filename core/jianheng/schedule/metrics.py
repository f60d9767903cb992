"""Metrics for Prometheus: what this process does, and what the store tells of every process."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from jianheng.errors import JianhengError
from jianheng.logs import get_log
from jianheng.schedule.status import Status

SECOND_US = 1_000_000
BUCKETS = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600)


class Metrics:
    """The numbers of one process; nothing of another program's is in them."""

    def __init__(self, status: Callable[[], Status] | None = None) -> None:
        self._registry = CollectorRegistry()
        held = self._registry
        self._leads = Gauge("jianheng_scheduler_leads", "Whether this scheduler begins slots.", registry=held)
        self._beats = Counter(
            "jianheng_scheduler_beats", "Looks at the store, by result.", ["result"], registry=held
        )
        self._skew = Gauge(
            "jianheng_scheduler_clock_skew_seconds", "Own clock minus the database's.", registry=held
        )
        self._ended = Counter(
            "jianheng_job_attempts", "Attempts at jobs that ended here.", ["job", "state"], registry=held
        )
        self._seconds = Histogram(
            "jianheng_job_seconds", "How long attempts took.", ["job"], registry=held, buckets=BUCKETS
        )
        if status is not None:
            held.register(StoreMetrics(status))

    def beat(self, *, leads: bool, well: bool) -> None:
        """Count a look at the store."""
        self._leads.set(leads)
        self._beats.labels("ok" if well else "failed").inc()

    def skew(self, seconds: float) -> None:
        """Tell by how much this machine's clock differs from the database's."""
        self._skew.set(seconds)

    def ended(self, job: str, state: str, seconds: float) -> None:
        """Count an attempt that ended."""
        self._ended.labels(job, state).inc()
        self._seconds.labels(job).observe(seconds)

    def page(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        return generate_latest(self._registry)


class StoreMetrics(Collector):
    """What the store tells, read when it is asked for; every scheduler tells the same."""

    def __init__(self, status: Callable[[], Status]) -> None:
        self._status = status

    def describe(self) -> Iterator[Metric]:
        """Name nothing beforehand: the store need not answer yet."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Yield the numbers of sources, jobs, quarantine and outbox."""
        up = GaugeMetricFamily("jianheng_store_up", "Whether the store answers.")
        try:
            status = self._status()
        except JianhengError as error:
            get_log("jianheng.schedule").warning("store does not answer", code=error.code)
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        good = GaugeMetricFamily(
            "jianheng_source_last_good_timestamp_seconds",
            "When the last sync ended that read all of a source.",
            labels=["source"],
        )
        failing = GaugeMetricFamily(
            "jianheng_source_incomplete",
            "Whether the last sync that ended did not read all.",
            labels=["source"],
        )
        held = GaugeMetricFamily(
            "jianheng_quarantine_open", "Records in quarantine that nobody waived.", labels=["source"]
        )
        for source in status.sources:
            if source.last_good is not None:
                good.add_metric([source.source], source.last_good / SECOND_US)
            failing.add_metric([source.source], not source.complete)
            held.add_metric([source.source], source.quarantine)
        yield from (good, failing, held)
        jobs = GaugeMetricFamily(
            "jianheng_job_last_done_timestamp_seconds", "When a job was last done.", labels=["job"]
        )
        for job in status.jobs:
            if job.last_done is not None:
                jobs.add_metric([job.job], job.last_done / SECOND_US)
        yield jobs
        outbox = GaugeMetricFamily(
            "jianheng_outbox_entries", "What waits to leave, or is dead.", labels=["target", "state"]
        )
        for each in status.outbox:
            outbox.add_metric([each.target, each.state], each.count)
        yield outbox
        paused = GaugeMetricFamily("jianheng_paused", "Sources and streams that are paused.")
        paused.add_metric([], len(status.paused))
        yield paused
