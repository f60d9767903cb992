"""Messages: what they say and do not say, who can tell that they are ours, and what becomes of them in trouble."""

import datetime as dt
import socket
import threading
import time
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace

import pytest
import rig_mail
import rig_webhook

from jianheng.contract import AdapterContext, DueCase, Notice, PersonScore, Publication, Secret
from jianheng.errors import RetryError, StopError
from jianheng.messages import speaking
from jianheng_messages.mail import Mail
from jianheng_messages.telling import content, text, title
from jianheng_messages.webhook import Webhook

SHANGHAI = dt.timezone(dt.timedelta(hours=8))
AS_OF = dt.datetime(2026, 7, 1, 8, tzinfo=SHANGHAI)
PEOPLE = (
    PersonScore("990101-1", "示例甲", "", "", "sheet", -500, -500, 0, 1, 1, 1, 1),
    PersonScore(
        "990101-2", "示例乙", "", "", "sheet", None, None, 0, 0, 1, 0, 0, note="未定岗", state="missing"
    ),
)
SCORES = Publication(
    "one",
    "scores",
    "990101",
    "示例院",
    "law",
    "办法",
    "1",
    "2026",
    "2026 年",
    dt.date(2026, 1, 1),
    dt.date(2027, 1, 1),
    AS_OF,
    people=PEOPLE,
    notices=("有 1 条记录在隔离中",),
)
NOTICE = Notice(
    "source/ucs/1", False, "source", "ucs", AS_OF, True, "数据源 ucs 没有读完", "原因:\n密码不对", ("x-y",)
)
BEGAN = replace(SCORES, id="two", kind="notices", people=(), notices=(), notice=NOTICE)
OVER = replace(BEGAN, id="three", notice=replace(NOTICE, over=True))
DUE = replace(
    SCORES,
    id="four",
    kind="archive-due",
    people=(),
    due=(DueCase("C1", "990101", "990101-1", dt.date(2026, 5, 1)),),
)


class Log:
    def __init__(self):
        self.said = []

    def warning(self, event, **fields):
        self.said.append((event, fields))

    info = debug = warning


def context(options, secrets):
    return AdapterContext(
        "990101",
        "board",
        options,
        {name: Secret(value) for name, value in secrets.items()},
        ["990101"],
        Log(),
        str,
    )


def webhook(receiver, key="whsec_" + rig_webhook.KEY, **options):
    host, port = receiver.address
    told = {
        "url": f"http://{host}:{port}/hook",
        "allow_http": True,
        "ca_file": None,
        "people": "none",
        "timeout_s": 2,
    }
    told |= {"kinds": ["scores", "archive-due", "notices"]}
    return Webhook(context(told | options, {"signing_key": key}))


def mail(post, password=rig_mail.PASSWORD, **options):
    host, port = post.address
    told = {
        "server": f"{host}:{port}",
        "security": "none",
        "ca_file": None,
        "username": rig_mail.USER,
        "people": "none",
    }
    told |= {
        "sender": "j@example.invalid",
        "recipients": ["a@example.invalid", "b@example.invalid"],
        "timeout_s": 2,
    }
    told |= {"kinds": ["scores", "archive-due", "notices"]}
    return Mail(context(told | options, {"password": password}))


@pytest.fixture
def receiver():
    with rig_webhook.upstream() as started:
        yield started


@pytest.fixture
def post():
    with rig_mail.upstream() as started:
        yield started


def test_nobodys_points_are_told_unless_asked_for():
    """Counts say that somebody has no score; a score that is unknown is never 0."""
    told = content(SCORES, "none")
    assert (told["counts"], "people" in told) == ({"missing": 1, "scored": 1}, False)
    assert not any(word in text(SCORES, "none") for word in ("示例甲", "990101-1", "0.500"))
    assert "1 人有得分，1 人因资料缺失没有得分" in text(SCORES, "none")
    assert [(each["points"], "name" in each) for each in content(SCORES, "keys")["people"]] == [
        (-500, False),
        (None, False),
    ]
    assert "990101-1  -0.500\n990101-2  —  未定岗" in text(SCORES, "keys")
    assert "示例甲（990101-1）  -0.500" in text(SCORES, "names")


def test_what_every_reader_must_know_is_said():
    assert "有 1 条记录在隔离中" in text(SCORES, "none")
    assert content(SCORES, "none")["notices"] == ["有 1 条记录在隔离中"]


def test_titles_in_both_languages():
    assert [title(each) for each in (BEGAN, OVER)] == ["数据源 ucs 没有读完", "已恢复：数据源 ucs 没有读完"]
    with speaking("en"):
        assert title(DUE) == "示例院: 1 cases due for the archive"
        assert title(SCORES) == "示例院 2026 年: scores by 办法"


def test_a_webhook_is_signed_and_the_same_id_is_kept_once(receiver):
    target = webhook(receiver, people="keys")
    assert [each.ok for each in target.check()] == [True]
    assert receiver.messages == {}
    for _ in range(2):
        assert target.write(SCORES).records == 2
    assert len(receiver.received) == 2
    assert receiver.held(SCORES)[0]["points"] == -500


def test_each_kind_is_sent_and_one_not_asked_for_is_not(receiver):
    target = webhook(receiver, kinds=["archive-due", "notices"])
    assert [target.write(each).records for each in (BEGAN, OVER, DUE, SCORES)] == [1, 1, 1, 0]
    assert [each["title"] for each in receiver.messages.values()][1] == "已恢复：数据源 ucs 没有读完"
    assert receiver.messages["four"]["due"] == [
        {"case_no": "C1", "unit_code": "990101", "closed_on": "2026-05-01"}
    ]
    assert receiver.messages["two"]["notice"]["codes"] == ["x-y"]


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (503, RetryError, "webhook-busy"),
        (429, RetryError, "webhook-busy"),
        (401, StopError, "webhook-not-authorised"),
        (302, StopError, "webhook-refused"),
        (413, StopError, "webhook-refused"),
    ],
)
def test_what_the_other_side_answers_decides_what_is_done(receiver, status, error, code):
    receiver.answers = [(status, {"retry-after": "7", "location": "http://127.0.0.1:1/"})]
    with pytest.raises(error) as raised:
        webhook(receiver).write(SCORES)
    assert raised.value.code == code
    assert getattr(raised.value, "after_s", None) == (7 if error is RetryError else None)
    assert receiver.messages == {}


@pytest.mark.parametrize(
    ("headers", "error", "code"),
    [
        ({"content-type": "text/html"}, StopError, "webhook-not-a-receiver"),
        ({"content-length": "100"}, RetryError, "webhook-unreachable"),
    ],
)
def test_a_page_that_asks_to_log_in_or_an_answer_that_is_cut_is_no_receipt(receiver, headers, error, code):
    """A gateway before the receiver answers 200 as well; what it swallowed would be lost."""
    receiver.answers = [(200, headers)]
    with pytest.raises(error) as raised:
        webhook(receiver).write(SCORES)
    assert raised.value.code == code


def test_an_answer_that_comes_in_drops_is_not_waited_for():
    """Each drop comes in time, the whole never."""

    def drip(listening):
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n")
            for _ in range(100):
                connection.sendall(b"x")
                time.sleep(0.05)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=drip, args=(listening,), daemon=True).start()
        receiver = SimpleNamespace(address=listening.getsockname())
        began = time.monotonic()
        with pytest.raises(RetryError) as raised:
            webhook(receiver, timeout_s=1).write(SCORES)
    assert raised.value.code == "webhook-unreachable"
    assert time.monotonic() - began < 5


def test_a_wrong_key_is_told_by_check_and_by_writing(receiver):
    wrong = webhook(receiver, key="another-made-up-key-of-bytes")
    assert [each.problem.code for each in wrong.check()] == ["webhook-not-authorised"]
    with pytest.raises(StopError, match="webhook-not-authorised"):
        wrong.write(SCORES)


def test_nobody_listens(receiver, post):
    with pytest.raises(RetryError, match="webhook-unreachable"):
        webhook(receiver, url="http://127.0.0.1:9/").write(SCORES)
    with pytest.raises(RetryError, match="mail-unreachable"):
        mail(post, server="127.0.0.1:9").write(SCORES)


@pytest.mark.parametrize(
    "url",
    [
        "board.example",
        "ftp://board.example/",
        "http://board.example/",
        "https:///x",
        "https://[::1",
        "https://u:p@b.example/",
    ],
)
def test_an_address_that_cannot_be_used_is_told_before_anything_is_sent(receiver, url):
    with pytest.raises(StopError) as raised:
        webhook(receiver, url=url, allow_http=False)
    assert raised.value.code == "webhook-url"
    assert "u:p" not in str(raised.value)


def test_a_short_key_or_one_that_is_no_base64_is_refused(receiver):
    for key in ("short", "whsec_%%%", "whsec_c2hvcnQ="):
        with pytest.raises(StopError, match="webhook-key"):
            webhook(receiver, key=key)


def test_a_mail_is_sent_and_its_thread_goes_from_beginning_to_end(post):
    target = mail(post)
    assert [each.ok for each in target.check()] == [True]
    assert [target.write(each).records for each in (BEGAN, OVER, SCORES)] == [1, 1, 2]
    began, over, scores = post.mails
    assert (began["Subject"], over["Subject"]) == ("数据源 ucs 没有读完", "已恢复：数据源 ucs 没有读完")
    assert began["References"] == over["References"]
    assert began["Message-ID"] != over["Message-ID"]
    assert "密码不对" in began.get_content()
    assert "示例甲" not in scores.get_content()
    assert scores["To"] == "a@example.invalid, b@example.invalid"


def test_one_unknown_recipient_keeps_the_others_from_nothing(post):
    post.unknown = {"b@example.invalid"}
    receipt = mail(post).write(SCORES)
    assert (receipt.location, receipt.detail) == ("a@example.invalid", "refused: b@example.invalid")
    post.unknown = {"a@example.invalid", "b@example.invalid"}
    with pytest.raises(StopError, match="mail-refused"):
        mail(post).write(SCORES)
    assert len(post.mails) == 1


def test_a_busy_server_is_tried_again_and_a_wrong_password_is_not(post):
    post.status = "451 later"
    with pytest.raises(RetryError, match="mail-busy"):
        mail(post).write(SCORES)
    post.status = "554 no"
    with pytest.raises(StopError, match="mail-refused"):
        mail(post).write(SCORES)
    wrong = mail(post, password="made-up-other-word")
    assert [each.problem.code for each in wrong.check()] == ["mail-login"]
    with pytest.raises(StopError) as raised:
        mail(post, security="starttls").write(SCORES)
    assert raised.value.code == "mail-refused"


def test_nothing_in_a_title_becomes_a_header(post):
    notice = replace(NOTICE, title="一\r\nBcc: x@example.invalid")
    mail(post).write(replace(BEGAN, notice=notice))
    assert (post.mails[0]["Bcc"], post.mails[0]["Subject"]) == (None, "一 Bcc: x@example.invalid")


@pytest.mark.parametrize("wrong", ["nobody", "a b@example", "a@b@c", "a@example\r\nBcc: x@y"])
def test_an_address_that_is_none_is_told(post, wrong):
    with pytest.raises(StopError, match="mail-address"):
        mail(post, recipients=[wrong])
    with pytest.raises(StopError, match="mail-address"):
        mail(post, recipients=[])


@pytest.mark.parametrize("server", ["", "mail:x", "mail:70000", "u@mail", "mail/x", "[::1"])
def test_a_server_that_cannot_be_one_is_told(post, server):
    with pytest.raises(StopError, match="mail-server"):
        mail(post, server=server)


def test_a_misspelt_kind_is_told(receiver, post):
    with pytest.raises(StopError, match="webhook-kind"):
        webhook(receiver, kinds=["score"])
    with pytest.raises(StopError, match="mail-kind"):
        mail(post, kinds=["score"])
