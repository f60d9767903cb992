"""The archive service over a real socket: tokens, pages, due list, faults."""

import time

import pytest
import requests

from jianheng_simulator import CLIENT_ID, CLIENT_SECRET, pass_time, running_archive


@pytest.fixture
def service(folder):
    with running_archive(folder) as url:
        yield url


def enter(url):
    answer = requests.post(
        f"{url}/api/token", json={"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}, timeout=10
    )
    assert answer.status_code == 200
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def volumes(url, head, **query):
    return requests.get(f"{url}/api/volumes", headers=head, params=query, timeout=10)


def everything(url, head, **query):
    page, items = 1, []
    while page:
        answer = volumes(url, head, page=page, **query).json()
        items += answer["items"]
        page = answer["next"]
    return items


def test_token_is_needed_and_right(service):
    wrong = requests.post(f"{service}/api/token", json={"client_id": "x", "client_secret": "y"}, timeout=10)
    assert (wrong.status_code, wrong.json()) == (401, {"error": "invalid_client"})
    assert volumes(service, {}).status_code == 401
    assert volumes(service, {"Authorization": "Bearer nonsense"}).status_code == 401
    assert volumes(service, enter(service)).status_code == 200


def test_pages_cover_all_volumes_in_order(service):
    head = enter(service)
    items = everything(service, head, page_size=37)
    assert len(items) == volumes(service, head).json()["total"] > 100
    order = [(one["updated_at"], one["dh"], one["jh"]) for one in items]
    assert order == sorted(order)
    assert {one["state"] for one in items} >= {"已归档", "已交卷", "待交卷"}
    assert any(one["returned_at"] and one["state"] == "已归档" for one in items)


def test_changed_since_has_a_closed_lower_bound(service):
    head = enter(service)
    items = everything(service, head)
    bound = items[len(items) // 2]["updated_at"]
    assert everything(service, head, changed_since=bound) == [
        one for one in items if one["updated_at"] >= bound
    ]
    assert volumes(service, head, changed_since="gestern").status_code == 400


def test_due_list_is_taken_once_a_key(service):
    head = enter(service)
    items = [
        {"bmsah": f"测试{k}", "unit": "990101", "handler": "0103", "concluded_on": "2025-12-30"}
        for k in range(3)
    ]

    def post(key, sent):
        return requests.post(
            f"{service}/api/due-list",
            headers=head | {"Idempotency-Key": key},
            json={"items": sent},
            timeout=10,
        )

    assert post("a", items).json() == {"received": 3, "new": 3, "repeated": False}
    assert post("a", items).json() == {"received": 3, "new": 3, "repeated": True}
    assert post("b", items[:1]).json() == {"received": 1, "new": 0, "repeated": False}
    assert len(requests.get(f"{service}/api/due-list", headers=head, timeout=10).json()["items"]) == 3
    assert post("", items).status_code == 400


def test_passing_days_bring_due_cases_in_while_the_service_runs(service, folder):
    head = enter(service)
    before = volumes(service, head).json()["total"]
    items = [{"bmsah": f"东屿检起诉受[2025]990101{k:05d}号", "unit": "990101"} for k in range(70000, 70010)]
    requests.post(
        f"{service}/api/due-list",
        headers=head | {"Idempotency-Key": "due"},
        json={"items": items},
        timeout=10,
    )
    pass_time(folder, 30)
    assert volumes(service, head).json()["total"] >= before + 10
    changed = everything(service, head, changed_since="2026-01-01T00:00:00")
    due = {one["bmsah"] for one in items}
    assert {one["state"] for one in changed if one["bmsah"] in due} >= {"已归档"}
    assert all(one["updated_at"] < "2026-02-01" for one in changed)


def fault(url, **stated):
    answer = requests.post(f"{url}/_simulator/faults", json=stated, timeout=10)
    assert answer.status_code == 200


def test_status_fault_counts_down(service):
    head = enter(service)
    fault(service, kind="status", status=429, times=2, retry_after=1)
    answers = [volumes(service, head) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["Retry-After"] == "1"


def test_stall_fault_waits(service):
    head = enter(service)
    fault(service, kind="stall", seconds=0.3)
    start = time.monotonic()
    assert volumes(service, head).status_code == 200
    assert time.monotonic() - start > 0.29


def test_cut_fault_breaks_the_connection_in_the_body(service):
    head = enter(service)
    fault(service, kind="cut")
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
        volumes(service, head)
    assert volumes(service, head).status_code == 200


def test_html_fault_answers_with_a_login_page(service):
    head = enter(service)
    fault(service, kind="html")
    answer = volumes(service, head)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")


def test_page_faults_wait_for_the_volume_list(service):
    fault(service, kind="duplicate_page")
    fault(service, kind="malformed_row")
    head = enter(service)
    first = volumes(service, head, page_size=5).json()["items"]
    assert first[:5] == first[5:]
    second = volumes(service, head, page_size=5).json()["items"]
    assert second[0]["bmsah"] is None
    assert second[1:] == first[1:5]


def test_expired_fault_forgets_tokens(service):
    head = enter(service)
    fault(service, kind="expired")
    assert volumes(service, head).status_code == 401


def test_faults_can_be_cleared_and_unknown_ones_are_refused(service):
    head = enter(service)
    fault(service, kind="status", times=9)
    assert requests.delete(f"{service}/_simulator/faults", timeout=10).json() == {"faults": []}
    assert volumes(service, head).status_code == 200
    assert (
        requests.post(f"{service}/_simulator/faults", json={"kind": "flood"}, timeout=10).status_code == 400
    )
