"""When a source changes a column, the message names the measures and rules that read it."""

from compare_world import deployment, law, run
from jianheng.cli.affected import affected_by, readers
from jianheng.cli.session import Session
from jianheng.contract import Stream
from jianheng.messages import text
from jianheng.sync.engine import sync_source
from upstream import OFFICE, document, reader, table


def test_only_what_reads_a_column_is_affected_by_it(tmp_path):
    policy = law(tmp_path)
    by_grain = {name: each.grain for name, each in policy.measures.items()}
    of_documents, _ = readers(policy, "document", "template_code")
    assert of_documents
    assert {by_grain[name] for name in of_documents} <= {"document", "approval"}
    assert readers(policy, "document", "name_nobody_reads") == ([], [])
    assert text("sync-affected-closing") in readers(policy, "case", "concluded_on")[1]
    assert text("sync-affected-closing") not in readers(policy, "case", "risk_level")[1]


def test_a_drift_names_measures_and_rules_in_the_message_and_in_the_record(tmp_path, lite_store, monkeypatch):
    folder = deployment(tmp_path, lite_store, monkeypatch)
    session = Session({"JIANHENG_CONFIG": str(folder)})
    told = affected_by(session, "document", "template_code")
    assert "规则" in told
    papers = table("document", *(document(f"d{n}", "C1") for n in range(60)), may_be_empty=True)
    sync_source(lite_store, OFFICE, reader(papers))
    for number in range(60):
        row = document(f"d{number}", "C1")
        del row["template_code"]
        papers.put(row)
    report = sync_source(
        lite_store,
        OFFICE,
        reader(papers),
        affects=lambda entity, column: affected_by(session, entity, column),
    )
    (drift,) = report.problems
    assert drift.code == "sync-drift-gone"
    assert told in drift.message().why
    assert run(folder, "runs").code == 0
    assert isinstance(papers.stream, Stream)
