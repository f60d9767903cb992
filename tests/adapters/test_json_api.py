import base64
import datetime as dt
import hashlib
import hmac
import json
import re
import tomllib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC
from loopback import Asked, Told, serving
from source_fakes import UNIT, make_context, read_batches, read_rows

from jianheng.contract import Source
from jianheng.errors import EmptiedError, FaultsError, JianhengError, RetryError
from jianheng.facts.convert import Fact, convert
from jianheng.facts.entities import ENTITIES
from jianheng_adapters import json_api
from jianheng_adapters.web_service.login import canonical_query

QUICK = {"attempts": 2, "max_wait_s": 0, "timeout_s": 5, "page_size": 2, "overlap_minutes": 0}
SECRETS = {
    "api_key": "geheim-1",
    "password": "geheim-2",
    "client_secret": "geheim-3",
    "signing_key": "geheim-4",
}

PEOPLE = """
[streams.person]
entity = "person"
mode = "cursor"
cursor = "changed"
scope = "unit"
[streams.person.request]
path = "v1/people"
items = "data.list"
[streams.person.columns]
person_key = ["unit", "no"]
unit_code = "unit"
staff_no = "no"
name = "info.name"
"""
SORTED = '[service.changed]\nparameter = "since"\nsorted = true\n'
PAGED = '[service.paging]\nkind = "page"\nsize_parameter = "size"\n'


def person(number: int, changed: str = "2026-03-01T09:00:00", **more):
    return {"unit": UNIT, "no": f"{number:04d}", "info": {"name": f"人{number}"}, "changed": changed, **more}


def minute(number: int) -> str:
    return f"2026-03-01T09:{number:02d}:00"


class People:
    """A service that keeps people, in pages, by time of change."""

    def __init__(self, *people: dict) -> None:
        self.people = list(people)

    def __call__(self, asked: Asked) -> Told:
        found = [each for each in self.people if each["changed"] >= asked.query.get("since", "")]
        found.sort(key=lambda each: each["changed"])
        size, page = int(asked.query.get("size", 1000)), int(asked.query.get("page", 1))
        return Told({"data": {"list": found[(page - 1) * size : page * size], "total": len(found)}})


@pytest.fixture
def start(tmp_path):
    """Start a service and return a source that reads it, and the server."""
    with ExitStack() as stack:

        def run(answer: Callable[[Asked], Told], mapping: str = PEOPLE, **options):
            server = stack.enter_context(serving(answer))
            file = tmp_path / "mapping.toml"
            file.write_text(mapping, encoding="utf-8")
            given = {"url": f"{server.url}/api", "mapping": file, **QUICK, **options}
            return json_api.make_source(make_context(given, secrets=SECRETS)), server

        yield run


def failing(source, stream: str = "person", cursor: str | None = None) -> JianhengError:
    with pytest.raises(JianhengError) as caught:
        read_batches(source, stream, cursor)
    told = "".join(each.message().as_text() for each in caught.value.problems)
    assert not re.search(r"\{[a-z_]+\}", told)  # a field that nobody filled in
    assert not any(secret in told for secret in SECRETS.values())
    return caught.value


def test_is_what_its_manifest_says(start):
    manifest = tomllib.loads(Path(json_api.__file__).with_name("adapter.toml").read_text(encoding="utf-8"))
    source, _ = start(People())
    assert isinstance(source, Source)
    assert set(json_api.sources()) == {manifest["id"]}


def test_nested_records_become_rows_of_those_in_scope(start):
    source, server = start(People(person(1), person(2, unit="990102"), person(3, unit=None)))
    rows = read_rows(source, "person")
    assert [(row["person_key"], row["name"]) for row in rows] == [
        (f"{UNIT}-0001", "人1"),
        (None, "人3"),  # whose it is nobody knows: core must see it
    ]
    assert rows[0]["_locator"] == f"/v1/people unit={UNIT} no=0001"
    assert isinstance(convert(ENTITIES["person"], rows[0]), Fact)
    assert server.asked[0].path == "/api/v1/people"


def test_a_sorted_list_is_read_on_from_every_batch(start):
    people = People(*(person(number, minute(number)) for number in range(7)))
    source, _ = start(people, SORTED + PAGED + PEOPLE)
    batches = read_batches(source, "person")
    everyone = [row["staff_no"] for batch in batches for row in batch.rows]
    assert sorted(set(everyone)) == [f"{number:04d}" for number in range(7)]
    for place, batch in enumerate(batches):
        before = {row["staff_no"] for each in batches[: place + 1] for row in each.rows}
        after = {row["staff_no"] for row in read_rows(source, "person", batch.cursor)}
        assert before | after == set(everyone)


def test_records_that_move_between_pages_while_we_read_are_not_lost(start):
    """Whatever changes on page 1 goes to the end, and the first of page 2 takes its place."""
    people = People(*(person(number, minute(number)) for number in range(6)))
    moved: list[int] = []

    def answer(asked: Asked) -> Told:
        told = people(asked)
        if not moved:
            moved.append(1)
            people.people[0] = {**people.people[0], "changed": minute(30)}
        return told

    source, _ = start(answer, SORTED + PAGED + PEOPLE)
    assert {row["staff_no"] for row in read_rows(source, "person")} == {f"{each:04d}" for each in range(6)}


def test_one_moment_may_fill_many_pages(start):
    source, _ = start(People(*(person(number) for number in range(9))), SORTED + PAGED + PEOPLE)
    assert {row["staff_no"] for row in read_rows(source, "person")} == {f"{each:04d}" for each in range(9)}


def test_an_unsorted_list_is_safe_to_stop_at_its_end_only(start):
    people = People(*(person(number, minute(number)) for number in range(5)))
    source, server = start(people, '[service.changed]\nparameter = "since"\n' + PAGED + PEOPLE)
    batches = read_batches(source, "person")
    assert [batch.cursor is None for batch in batches] == [True] * (len(batches) - 1) + [False]
    people.people.append(person(9, minute(20)))
    assert [row["staff_no"] for row in read_rows(source, "person", batches[-1].cursor)] == ["0004", "0009"]
    assert server.asked[-1].query["since"] == minute(4)


def test_a_service_that_cannot_filter_is_read_whole_and_what_is_older_left_out(start):
    people = People(*(person(number, minute(number)) for number in range(4)))
    source, server = start(people, PAGED + PEOPLE)
    cursor = read_batches(source, "person")[-1].cursor
    assert [row["staff_no"] for row in read_rows(source, "person", cursor)] == ["0003"]
    assert all("since" not in asked.query for asked in server.asked)


def test_a_later_read_overlaps_the_last(start):
    people = People(*(person(number, minute(number)) for number in range(4)))
    source, server = start(people, SORTED + PEOPLE, overlap_minutes=2)
    cursor = read_batches(source, "person")[-1].cursor
    server.asked.clear()
    assert len(read_rows(source, "person", cursor)) == 3
    assert server.asked[0].query["since"] == minute(1)


def test_a_promised_order_that_is_broken_is_told(start):
    source, _ = start(
        lambda _: Told({"data": {"list": [person(1, minute(5)), person(2, minute(1))]}}), SORTED + PEOPLE
    )
    assert failing(source).code == "web-order-broken"


def test_a_system_that_is_suddenly_empty_is_told(start):
    people = People(person(1, minute(1)))
    source, _ = start(people, SORTED + PEOPLE)
    cursor = read_batches(source, "person")[-1].cursor
    assert read_rows(source, "person", cursor)
    people.people.clear()
    with pytest.raises(EmptiedError):
        read_batches(source, "person", cursor)


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("iso_zone", "2026-03-01T09:01:00+08:00"),
        ("utc", "2026-03-01T01:01:00Z"),
        ("epoch", "1772326860"),
        ("epoch_ms", "1772326860000"),
        ("%Y-%m-%d %H:%M", "2026-03-01 09:01"),
    ],
)
def test_the_moment_is_asked_for_as_the_service_writes_it(start, written, sent):
    def answer(asked: Asked) -> Told:
        moment = dt.datetime.fromisoformat(minute(1) + "+08:00").timestamp()
        told = {"epoch": int(moment), "epoch_ms": int(moment * 1000)}.get(written, minute(1))
        return Told({"data": {"list": [person(1, told)]}})

    changed = f'[service.changed]\nparameter = "since"\nformat = "{written}"\n'
    source, server = start(answer, changed + PEOPLE)
    cursor = read_batches(source, "person")[-1].cursor
    read_batches(source, "person", cursor)
    assert server.asked[-1].query["since"] == sent


def test_a_cursor_may_be_a_number_that_grows(start):
    people = [person(number, version=number) for number in range(1, 6)]

    def answer(asked: Asked) -> Told:
        return Told(
            {"data": {"list": [x for x in people if x["version"] >= int(asked.query.get("after", 0))]}}
        )

    mapping = '[service.changed]\nparameter = "after"\nsorted = true\n' + PEOPLE.replace(
        'cursor = "changed"', 'cursor = "version"\ncursor_kind = "number"'
    )
    source, server = start(answer, mapping, overlap_numbers=1)
    cursor = read_batches(source, "person")[-1].cursor
    assert len(read_rows(source, "person", cursor)) == 2
    assert server.asked[-1].query["after"] == "4"


# Paging.

SNAPSHOT = PEOPLE.replace('mode = "cursor"\n', "")
NUMBERS = [person(number) for number in range(5)]


def listed(start, paging: str, answer: Callable[[Asked], Told], **options) -> list[str]:
    source, _ = start(answer, f"[service.paging]\n{paging}\n{SNAPSHOT}", **options)
    return [row["staff_no"] for row in read_rows(source, "person")]


ALL = [each["no"] for each in NUMBERS]


def test_pages_are_counted_from_where_the_service_counts(start):
    def answer(asked: Asked) -> Told:
        page = int(asked.query["p"])
        return Told({"data": {"list": NUMBERS[page * 2 : page * 2 + 2]}})

    assert listed(start, 'kind = "page"\nparameter = "p"\nfirst = 0', answer) == ALL


def test_a_service_that_gives_less_than_asked_is_read_to_its_end(start):
    """It was asked for 100 at once and gives two: a short page is not the last."""

    def answer(asked: Asked) -> Told:
        offset = int(asked.query["from"])
        return Told({"data": {"list": NUMBERS[offset : offset + 2]}})

    paging = 'kind = "offset"\nparameter = "from"\nfirst = 0\nsize_parameter = "n"'
    assert listed(start, paging, answer, page_size=100) == ALL


def test_links_are_followed_from_the_body_and_from_the_header(start):
    def body(asked: Asked) -> Told:
        page = int(asked.query.get("page", 1))
        link = f"people?page={page + 1}" if page < 3 else None
        return Told({"data": {"list": NUMBERS[page * 2 - 2 : page * 2]}, "next": link})

    def header(asked: Asked) -> Told:
        page = int(asked.query.get("page", 1))
        link = {"Link": f'</api/v1/people?page={page + 1}>; rel="next"'} if page < 3 else {}
        return Told({"data": {"list": NUMBERS[page * 2 - 2 : page * 2]}}, headers=link)

    assert listed(start, 'kind = "link"\nnext = "next"', body) == ALL
    assert listed(start, 'kind = "link"', header) == ALL


def test_tokens_are_sent_back(start):
    def answer(asked: Asked) -> Told:
        place = int(asked.query.get("token", "0"))
        following = str(place + 2) if place + 2 < len(NUMBERS) else ""
        return Told({"data": {"list": NUMBERS[place : place + 2]}, "meta": {"token": following}})

    assert listed(start, 'kind = "token"\nparameter = "token"\nnext = "meta.token"', answer) == ALL


def test_the_service_may_say_whether_there_is_more_and_how_many(start):
    def answer(asked: Asked) -> Told:
        page = int(asked.query["page"])
        told = {"list": NUMBERS[page * 2 - 2 : page * 2], "more": page < 3, "total": len(NUMBERS)}
        return Told({"data": told})

    source, server = start(answer, f'[service.paging]\nkind = "page"\nmore = "data.more"\n{SNAPSHOT}')
    assert len(read_rows(source, "person")) == len(server.asked) + 2 == 5
    source, server = start(answer, f'[service.paging]\nkind = "page"\ntotal = "data.total"\n{SNAPSHOT}')
    assert len(read_rows(source, "person")) == len(server.asked) + 2 == 5


def test_a_list_that_is_shorter_than_it_says_is_not_taken(start):
    """In a snapshot the records that lack would count as deleted."""
    source, _ = start(
        lambda asked: Told({"data": {"list": NUMBERS[:3] if asked.query["page"] == "1" else [], "total": 5}}),
        f'[service.paging]\nkind = "page"\ntotal = "data.total"\n{SNAPSHOT}',
    )
    assert failing(source).code == "web-count-short"


@pytest.mark.parametrize(
    "paging",
    ['kind = "page"\nparameter = "seite"', 'kind = "link"\nnext = "next"', 'kind = "token"\nnext = "next"'],
)
def test_a_service_that_never_gets_on_is_told(start, paging):
    answer = {"data": {"list": NUMBERS}, "next": "people"}
    source, _ = start(lambda _: Told(answer), f"[service.paging]\n{paging}\n{SNAPSHOT}")
    assert failing(source).code == "web-page-stuck"


def test_units_are_asked_for_together_or_one_by_one(start, tmp_path):
    def answer(asked: Asked) -> Told:
        units = (asked.query.get("org") or asked.query.get("orgs", "")).split(",")
        return Told({"data": {"list": [person(1, unit=unit) for unit in units]}})

    for said in ('parameters = { orgs = ":units" }', 'unit_parameter = "org"'):
        mapping = tmp_path / "units.toml"
        text = SNAPSHOT.replace('items = "data.list"', f'items = "data.list"\n{said}')
        mapping.write_text(text, encoding="utf-8")
        with serving(answer) as server:
            given = {"url": server.url, "mapping": mapping, **QUICK}
            source = json_api.make_source(make_context(given, units=("990101", "990102")))
            assert [row["unit_code"] for row in read_rows(source, "person")] == ["990101", "990102"]


def test_a_query_may_be_a_json_body(start):
    mapping = SNAPSHOT.replace(
        'items = "data.list"',
        'items = "data.list"\nmethod = "POST"\nparameters = { orgs = ":units", deep = 1 }',
    )
    source, server = start(People(person(1)), mapping)
    assert read_rows(source, "person")
    assert (server.asked[0].method, server.asked[0].json()) == ("POST", {"orgs": UNIT, "deep": 1})


def test_records_inside_records(start):
    mapping = """
[streams.suspect]
entity = "suspect"
each = "parties"
[streams.suspect.request]
path = "cases"
[streams.suspect.columns]
suspect_key = ["parent.no", "id"]
case_no = "parent.no"
suspect_no = "id"
pseudonym = "name"
"""
    cases = [
        {"no": "案1", "parties": [{"id": 1, "name": "甲"}, {"id": 2, "name": "乙"}]},
        {"no": "案2", "parties": []},
        {"no": "案3", "parties": None},
    ]
    source, _ = start(lambda _: Told(cases), mapping)
    rows = read_rows(source, "suspect")
    assert [(row["suspect_key"], row["case_no"]) for row in rows] == [("案1-1", "案1"), ("案1-2", "案1")]
    assert all(row["pseudonym"].startswith("嫌疑人-") for row in rows)


def test_a_whole_number_is_not_rounded_and_an_amount_keeps_its_cents(start):
    amounts = '{"data": {"list": [{"unit": "990101", "no": 12345678901234567890, "info": {"name": 0.10}}]}}'
    source, _ = start(lambda _: Told(amounts, headers={"Content-Type": "application/json"}), SNAPSHOT)
    (row,) = read_rows(source, "person")
    assert (row["staff_no"], row["name"]) == ("12345678901234567890", "0.10")


def test_answers_in_gb18030_are_read(start):
    answer = json.dumps({"data": {"list": [person(1)]}}, ensure_ascii=False).encode("gb18030")
    kind = {"Content-Type": "application/json; charset=gb18030"}
    source, _ = start(lambda _: Told(answer, headers=kind), SNAPSHOT)
    assert read_rows(source, "person")[0]["name"] == "人1"


# Who we are.


def logged_in(start, auth: str, **options):
    source, server = start(People(person(1)), f"[service.auth]\n{auth}\n{SNAPSHOT}", **options)
    assert len(read_rows(source, "person")) == 1
    return server.asked[0].headers, server


def test_a_secret_in_a_header(start):
    headers, _ = logged_in(start, 'kind = "header"\nheader = "X-Key"\nprefix = "Bearer "')
    assert headers["x-key"] == "Bearer geheim-1"


def test_name_and_password_in_any_script(start):
    headers, _ = logged_in(start, 'kind = "basic"', user="读者")
    assert base64.b64decode(headers["authorization"].removeprefix("Basic ")).decode() == "读者:geheim-2"


@pytest.mark.parametrize("where", ["header", "body"])
def test_oauth2_client_credentials(start, where):
    tokens: list[str] = []

    def answer(asked: Asked) -> Told:
        if asked.path == "/api/oauth/token":
            form = dict(each.split("=") for each in asked.body.decode().split("&"))
            assert (form["grant_type"], form["scope"]) == ("client_credentials", "read")
            ours = base64.b64decode(asked.headers.get("authorization", "").removeprefix("Basic ")).decode()
            given = f"{form.get('client_id')}:{form.get('client_secret')}" if where == "body" else ours
            assert given == "jianheng:geheim-3"
            tokens.append(f"t{len(tokens)}")
            return Told({"access_token": tokens[-1], "expires_in": 3600})
        if asked.headers["authorization"] != "Bearer t1":  # the first token has been withdrawn
            return Told(status=401)
        return People(person(1))(asked)

    auth = f'[service.auth]\nkind = "oauth2"\nscope = "read"\nclient_in = "{where}"\n'
    source, _ = start(answer, auth + SNAPSHOT, client_id="jianheng")
    assert len(read_rows(source, "person")) == 1
    assert tokens == ["t0", "t1"]


@pytest.mark.parametrize(("algorithm", "encoding"), [("sha256", "hex"), ("sha512", "base64"), ("sm3", "hex")])
def test_a_signature_is_what_the_page_says(start, algorithm, encoding):
    """Computed here a second time, from the request as it arrived."""
    auth = f'kind = "signature"\nalgorithm = "{algorithm}"\nencoding = "{encoding}"'
    mapping = SNAPSHOT.replace(
        'items = "data.list"', 'items = "data.list"\nparameters = { "名" = "东 屿", b = "1", a = "x&y" }'
    )
    source, server = start(People(person(1)), f"[service.auth]\n{auth}\n{mapping}", client_id="jianheng")
    read_rows(source, "person")
    asked = server.asked[0]

    def digest(content: bytes) -> bytes:
        if algorithm == "sm3":
            made = hashes.Hash(hashes.SM3())
            made.update(content)
            return made.finalize()
        return hashlib.new(algorithm, content).digest()

    canonical = "\n".join(
        [
            "GET",
            "/api/v1/people",
            "a=x%26y&b=1&%E5%90%8D=%E4%B8%9C%20%E5%B1%BF",
            asked.headers["x-timestamp"],
            asked.headers["x-nonce"],
            digest(b"").hex(),
        ]
    ).encode()
    if algorithm == "sm3":
        made = HMAC(b"geheim-4", hashes.SM3())
        made.update(canonical)
        wanted = made.finalize()
    else:
        wanted = hmac.new(b"geheim-4", canonical, algorithm).digest()
    told = wanted.hex() if encoding == "hex" else base64.b64encode(wanted).decode()
    assert (asked.headers["x-signature"], asked.headers["x-client-id"]) == (told, "jianheng")


def test_a_query_is_signed_sorted_and_encoded_in_one_way():
    assert canonical_query("b=2&a=%20x&a=&c=~-._") == "a=&a=%20x&b=2&c=~-._"


def test_every_request_is_signed_anew(start):
    source, server = start(
        People(*NUMBERS), f'[service.auth]\nkind = "signature"\n{PAGED}{SNAPSHOT}', client_id="jianheng"
    )
    read_rows(source, "person")
    nonces = {asked.headers["x-nonce"] for asked in server.asked}
    assert len(nonces) == len(server.asked) > 1


@pytest.mark.parametrize(
    ("auth", "given", "code"),
    [
        ('kind = "basic"', {}, "web-option-missing"),
        ('kind = "oauth2"', {}, "web-option-missing"),
        ('kind = "signature"', {}, "web-option-missing"),
    ],
)
def test_what_a_login_lacks_is_told_before_anything_is_sent(start, auth, given, code):
    source, server = start(People(), f"[service.auth]\n{auth}\n{SNAPSHOT}", **given)
    assert failing(source).code == code
    assert server.asked == []


def test_a_missing_secret_is_told(tmp_path):
    file = tmp_path / "mapping.toml"
    file.write_text('[service.auth]\nkind = "header"\n' + SNAPSHOT, encoding="utf-8")
    source = json_api.make_source(make_context({"url": "http://127.0.0.1:9", "mapping": file, **QUICK}))
    assert failing(source).code == "web-secret-missing"


# What goes wrong.


def told_by_check(source) -> list[str]:
    return [finding.problem.code for finding in source.check() if finding.problem is not None]


def test_a_check_tells_apart_what_goes_wrong(start, tmp_path):
    """A wrong password, nobody there, too slow, and a mapping that does not fit are four different things."""
    basic = '[service.auth]\nkind = "basic"\n'
    source, server = start(lambda _: Told(status=401), basic + SNAPSHOT, user="u")
    assert told_by_check(source) == ["web-login-refused"]
    assert len(server.asked) == 1  # trying on could lock the account
    source, _ = start(lambda _: Told(status=403))
    assert told_by_check(source) == ["web-access-denied"]
    source, _ = start(lambda _: Told({}, pause_s=1.5), timeout_s=1, attempts=1)
    assert told_by_check(source) == ["web-slow"]
    source, _ = start(People(person(1)), SNAPSHOT.replace("info.name", "info.nam"))
    assert told_by_check(source) == ["mapping-field-missing"]
    source, _ = start(People(person(1)), SNAPSHOT.replace("info.name", "info"))
    assert told_by_check(source) == ["mapping-field-nested"]
    source, _ = start(People(person(1)), SNAPSHOT.replace("data.list", "data.rows"))
    assert told_by_check(source) == ["mapping-records-missing"]
    source, _ = start(People(person(1)), PEOPLE.replace('cursor = "changed"', 'cursor = "no"'))
    assert told_by_check(source) == ["web-cursor-unreadable"]
    source, server = start(People())
    assert told_by_check(source) == []
    file = tmp_path / "mapping.toml"
    gone = json_api.make_source(make_context({"url": "http://127.0.0.1:9/", "mapping": file, **QUICK}))
    assert told_by_check(gone) == ["web-unreachable"]


def test_a_check_speaks_of_an_answer_that_takes_long(start):
    source, _ = start(lambda asked: Told(People(person(1))(asked).value, pause_s=0.6), timeout_s=1)
    findings = list(source.check())
    assert all(finding.ok for finding in findings)
    assert findings[-1].problem.code == "web-answer-slow"


def test_a_busy_service_is_asked_again_when_it_says_so(start):
    answers = [Told(status=429, headers={"Retry-After": "0"}), People(person(1))(Asked("", "", {}, {}, b""))]
    source, server = start(lambda _: answers.pop(0), SNAPSHOT)
    assert len(read_rows(source, "person")) == 1
    assert len(server.asked) == 2


def test_a_service_that_stays_busy_says_how_long_to_leave_it_alone(start):
    source, _ = start(lambda _: Told(status=429, headers={"Retry-After": "77"}))
    error = failing(source)
    assert isinstance(error, RetryError)
    assert (error.code, error.after_s) == ("web-unavailable", 77)


INSIDE = """
[service.answer]
code = "code"
ok = ["0"]
denied = ["401"]
busy = ["503"]
message = "msg"
"""


@pytest.mark.parametrize(
    ("code", "told"),
    [(0, None), ("401", "web-access-denied"), (503, "web-unavailable"), (7, "web-answer-refused")],
)
def test_a_code_inside_an_answer_counts(start, code, told):
    """Many services answer 200 whatever happens."""
    source, _ = start(
        lambda _: Told({"code": code, "msg": "系统说明", "data": {"list": [person(1)]}}), INSIDE + SNAPSHOT
    )
    if told is None:
        assert len(read_rows(source, "person")) == 1
    else:
        error = failing(source)
        assert error.code == told
        assert told != "web-answer-refused" or "系统说明" in str(error)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Told("<html>登录</html>"), "web-not-json"),
        (Told('{"data"', headers={"Content-Type": "application/json"}), "web-unreachable"),
        (Told(status=404), "web-request-refused"),
        (Told(status=302, headers={"Location": "http://elsewhere.test/"}), "web-redirect-refused"),
        (Told("x" * 5000), "web-too-large"),
        (Told({"data": {"list": NUMBERS}}, drip_s=0.05), "web-slow"),
        (Told({"data": {"list": [1, 2]}}), "mapping-records-missing"),
        (Told({"data": {"list": {"a": 1}}}), "mapping-records-missing"),
        (Told([]), "mapping-records-missing"),
        (Told("[" * 3000), "web-not-json"),
    ],
)
def test_answers_that_cannot_be_right_are_told_by_code(start, answer, code):
    source, _ = start(lambda _: answer, SNAPSHOT, max_response_bytes=4000, timeout_s=1, attempts=1)
    assert failing(source).code == code


def test_secrets_go_to_declared_hosts_only(start):
    with serving(lambda _: Told({"data": {"list": []}})) as other:
        answer = {"data": {"list": NUMBERS}, "next": f"{other.url}/steal"}
        mapping = (
            f'[service.auth]\nkind = "header"\n[service.paging]\nkind = "link"\nnext = "next"\n{SNAPSHOT}'
        )
        source, _ = start(lambda _: Told(answer), mapping)
        assert failing(source).code == "web-host-refused"
        assert other.asked == []
        source, _ = start(lambda _: Told(answer), mapping, hosts=[other.host])
        assert len(read_rows(source, "person")) == len(NUMBERS)
        assert other.asked[0].headers["authorization"] == "geheim-1"
    source, _ = start(lambda _: Told({"data": {"list": []}, "next": "file:///etc/passwd"}), mapping)
    assert failing(source).code == "web-host-refused"


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "api", "http://"])
def test_an_address_that_is_none_is_told(start, url):
    source, _ = start(People(), url=url)
    assert failing(source).code == "web-url-wrong"


def test_an_unknown_stream_and_a_strange_cursor_are_told(start):
    source, _ = start(People(person(1)))
    assert failing(source, "nobody").code == "mapping-stream-unknown"
    for cursor in ("?", '{"v":9}', '{"v":1,"at":"gestern"}', "[]"):
        assert failing(source, cursor=cursor).code == "cursor-unreadable"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ('[streams.person.join.x]\ntable = "t"\non = ["a"]', "mapping-key-unused"),
        ('[service.paging]\nkind = "pages"', "mapping-value-wrong"),
        ('[service.auth]\nkynd = "basic"', "mapping-unknown-key"),
    ],
)
def test_a_mapping_that_means_nothing_here_is_refused(start, more, code):
    with pytest.raises(FaultsError) as caught:
        start(People(), PEOPLE + more)
    assert [each.code for each in caught.value.problems] == [code]


def test_what_identifies_a_person_is_not_read_however_deep_it_lies(start):
    with pytest.raises(FaultsError) as caught:
        start(People(), PEOPLE.replace('name = "info.name"', 'name = "info.idCard"'))
    assert [each.code for each in caught.value.problems] == ["mapping-sensitive-column"]
    assert start(
        People(),
        PEOPLE.replace('name = "info.name"', 'name = "info.idCard"'),
        allow_sensitive=["info.idCard"],
    )


def test_a_preview_shows_what_is_read_and_what_becomes_of_it(start):
    source, _ = start(People(person(1), person(2, unit="990102")))
    ((raw, row),) = source.preview("person")
    assert raw == {"unit": UNIT, "no": "0001", "info.name": "人1", "changed": minute(0)}
    assert row["person_key"] == f"{UNIT}-0001"
    assert source.origins("person")["person_key"] == ("unit", "no")
