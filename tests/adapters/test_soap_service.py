import re
import tomllib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from loopback import Asked, Told, serving
from source_fakes import UNIT, make_context, read_batches, read_rows

from jianheng.contract import Source
from jianheng.errors import JianhengError, RetryError
from jianheng_adapters import soap_service

QUICK = {"attempts": 2, "max_wait_s": 0, "timeout_s": 5, "page_size": 2, "overlap_minutes": 0}
NAMESPACE = "urn:example:people"
WSDL = f"""<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"
  xmlns:t="{NAMESPACE}" xmlns:x="http://www.w3.org/2001/XMLSchema" targetNamespace="{NAMESPACE}">
 <types><x:schema targetNamespace="{NAMESPACE}" elementFormDefault="qualified">
  <x:complexType name="Person"><x:sequence>
   <x:element name="unit" type="x:string" minOccurs="0"/><x:element name="no" type="x:string"/>
   <x:element name="name" type="x:string" minOccurs="0"/><x:element name="changed" type="x:dateTime"/>
  </x:sequence></x:complexType>
  <x:element name="ListPeople"><x:complexType><x:sequence>
   <x:element name="query" minOccurs="0"><x:complexType><x:sequence>
     <x:element name="since" type="x:dateTime" minOccurs="0"/><x:element name="units" type="x:string" minOccurs="0"/>
   </x:sequence></x:complexType></x:element>
   <x:element name="page" type="x:int" minOccurs="0"/><x:element name="size" type="x:int" minOccurs="0"/>
  </x:sequence></x:complexType></x:element>
  <x:element name="ListPeopleResponse"><x:complexType><x:sequence>
   <x:element name="people"><x:complexType><x:sequence>
     <x:element name="person" type="t:Person" minOccurs="0" maxOccurs="unbounded"/>
   </x:sequence></x:complexType></x:element>
   <x:element name="total" type="x:int" minOccurs="0"/>
  </x:sequence></x:complexType></x:element>
  <x:element name="GetText"><x:complexType><x:sequence/></x:complexType></x:element>
  <x:element name="GetTextResponse"><x:complexType><x:sequence>
   <x:element name="GetTextResult" type="x:string" minOccurs="0"/>
  </x:sequence></x:complexType></x:element>
 </x:schema></types>
 <message name="in"><part name="parameters" element="t:ListPeople"/></message>
 <message name="out"><part name="parameters" element="t:ListPeopleResponse"/></message>
 <message name="textIn"><part name="parameters" element="t:GetText"/></message>
 <message name="textOut"><part name="parameters" element="t:GetTextResponse"/></message>
 <portType name="P">
  <operation name="ListPeople"><input message="t:in"/><output message="t:out"/></operation>
  <operation name="GetText"><input message="t:textIn"/><output message="t:textOut"/></operation>
 </portType>
 <binding name="B" type="t:P"><soap:binding transport="http://schemas.xmlsoap.org/soap/http"/>
  <operation name="ListPeople"><soap:operation soapAction="list"/>
   <input><soap:body use="literal"/></input><output><soap:body use="literal"/></output></operation>
  <operation name="GetText"><soap:operation soapAction="text"/>
   <input><soap:body use="literal"/></input><output><soap:body use="literal"/></output></operation>
 </binding>
 <service name="S"><port name="Main" binding="t:B"><soap:address location="http://inside.invalid/ws"/></port></service>
</definitions>"""

PEOPLE = """
[service.paging]
kind = "page"
size_parameter = "size"
total = "total"
[service.changed]
parameter = "query.since"
sorted = true
[streams.person]
entity = "person"
mode = "cursor"
cursor = "changed"
scope = "unit"
[streams.person.call]
operation = "ListPeople"
items = "people.person"
parameters = { "query.units" = ":units" }
[streams.person.columns]
person_key = ["unit", "no"]
unit_code = "unit"
staff_no = "no"
name = "name"
"""
XML = {"Content-Type": "text/xml; charset=utf-8"}


def envelope(body: str, header: str = "") -> str:
    soap = "http://schemas.xmlsoap.org/soap/envelope/"
    return f'<e:Envelope xmlns:e="{soap}"><e:Header>{header}</e:Header><e:Body>{body}</e:Body></e:Envelope>'


def person(number: int, changed: str = "2026-03-01T09:00:00+08:00", unit: str = UNIT) -> dict[str, str]:
    return {"unit": unit, "no": f"{number:04d}", "name": f"人{number}", "changed": changed}


def minute(number: int) -> str:
    return f"2026-03-01T09:{number:02d}:00+08:00"


def listed(people: list[dict[str, str]], total: int) -> Told:
    told = "".join(
        "<person>" + "".join(f"<{name}>{value}</{name}>" for name, value in each.items()) + "</person>"
        for each in people
    )
    body = f'<ListPeopleResponse xmlns="{NAMESPACE}"><people>{told}</people><total>{total}</total></ListPeopleResponse>'
    return Told(envelope(body), headers=XML)


def fault(code: str, text: str) -> Told:
    body = f"<e:Fault><faultcode>{code}</faultcode><faultstring>{text}</faultstring></e:Fault>"
    return Told(envelope(body), status=500, headers=XML)


def value_of(asked: Asked, name: str) -> str:
    found = re.search(rf"<[^>]*\b{name}>([^<]*)<", asked.body.decode())
    return found[1] if found else ""


class People:
    """A SOAP service that keeps people and gives its own WSDL."""

    def __init__(self, *people: dict[str, str]) -> None:
        self.people = list(people)

    def __call__(self, asked: Asked) -> Told:
        if asked.method == "GET":
            return Told(WSDL, headers=XML)
        since = value_of(asked, "since")
        found = sorted(
            (each for each in self.people if each["changed"] >= since), key=lambda each: each["changed"]
        )
        page, size = int(value_of(asked, "page")), int(value_of(asked, "size"))
        return listed(found[(page - 1) * size : page * size], len(found))


@pytest.fixture
def start(tmp_path):
    """Start a service and return a source that reads it, and the server."""
    with ExitStack() as stack:

        def run(answer: Callable[[Asked], Told], mapping: str = PEOPLE, wsdl: str | None = WSDL, **options):
            server = stack.enter_context(serving(answer))
            file = tmp_path / "mapping.toml"
            file.write_text(mapping, encoding="utf-8")
            given = {"url": f"{server.url}/ws", "mapping": file, **QUICK, **options}
            if wsdl is not None:
                (tmp_path / "service.wsdl").write_text(wsdl, encoding="utf-8")
                given["wsdl"] = tmp_path / "service.wsdl"
            return soap_service.make_source(make_context(given, secrets={"password": "geheim-2"})), server

        yield run


def failing(source, stream: str = "person") -> JianhengError:
    with pytest.raises(JianhengError) as caught:
        read_batches(source, stream)
    told = "".join(each.message().as_text() for each in caught.value.problems)
    assert not re.search(r"\{[a-z_]+\}", told)
    assert "geheim" not in told
    return caught.value


def test_is_what_its_manifest_says(start):
    manifest = tomllib.loads(
        Path(soap_service.__file__).with_name("adapter.toml").read_text(encoding="utf-8")
    )
    source, _ = start(People())
    assert isinstance(source, Source)
    assert set(soap_service.sources()) == {manifest["id"]}


@pytest.mark.parametrize("wsdl", [WSDL, None], ids=["file", "asked"])
def test_records_become_rows_from_the_address_of_the_deployment(start, wsdl):
    """The address that a WSDL names is often one that nobody outside can reach."""
    source, server = start(People(person(1), person(2, unit="990102"), person(3)), wsdl=wsdl)
    rows = read_rows(source, "person")
    assert {row["staff_no"]: row["name"] for row in rows} == {"0001": "人1", "0003": "人3"}
    assert rows[0]["_locator"] == f"ListPeople unit={UNIT} no=0001"
    assert value_of(server.asked[-1], "units") == UNIT
    assert {asked.path for asked in server.asked if asked.method == "POST"} == {"/ws"}


def test_every_batch_is_a_place_to_go_on_from(start):
    source, _ = start(People(*(person(number, minute(number)) for number in range(5))))
    batches = read_batches(source, "person")
    everyone = {row["staff_no"] for batch in batches for row in batch.rows}
    assert len(everyone) == 5
    for place, batch in enumerate(batches):
        before = {row["staff_no"] for each in batches[: place + 1] for row in each.rows}
        assert before | {row["staff_no"] for row in read_rows(source, "person", batch.cursor)} == everyone


def test_one_record_is_a_list_of_one_and_none_is_an_empty_list(start):
    source, _ = start(People(person(1)))
    assert len(read_rows(source, "person")) == 1
    source, _ = start(People())
    assert read_rows(source, "person") == []


def test_an_empty_element_is_an_empty_list(start):
    empty = f'<ListPeopleResponse xmlns="{NAMESPACE}"><people/></ListPeopleResponse>'
    source, _ = start(lambda _: Told(envelope(empty), headers=XML), PEOPLE.replace('total = "total"', ""))
    assert read_rows(source, "person") == []


TEXT = """
[streams.person]
entity = "person"
[streams.person.call]
operation = "GetText"
content = "{content}"
items = "{items}"
[streams.person.columns]
person_key = ["unit", "no"]
unit_code = "unit"
staff_no = "no"
"""


def text_answer(text: str) -> Callable[[Asked], Told]:
    body = f'<GetTextResponse xmlns="{NAMESPACE}"><GetTextResult>{escape(text)}</GetTextResult></GetTextResponse>'
    return lambda _: Told(envelope(body), headers=XML)


@pytest.mark.parametrize(
    ("content", "items", "text"),
    [
        ("xml", "p", f"<?xml version='1.0' encoding='GBK'?><r><p><unit>{UNIT}</unit><no>1</no></p></r>"),
        ("xml", "p", f"<r><p><unit>{UNIT}</unit><no>1</no></p><p><unit>{UNIT}</unit><no>2</no></p></r>"),
        ("json", "rows", f'{{"rows": [{{"unit": "{UNIT}", "no": 1}}]}}'),
    ],
)
def test_a_result_may_be_a_text_that_holds_xml_or_json(start, content, items, text):
    source, _ = start(text_answer(text), TEXT.format(content=content, items=items))
    assert read_rows(source, "person")[0]["staff_no"] == "1"


@pytest.mark.parametrize(
    "text", ["<r><p>", "<!DOCTYPE r [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><r><p>&x;</p></r>"]
)
def test_a_text_that_is_not_what_it_should_be_is_told(start, text):
    source, _ = start(text_answer(text), TEXT.format(content="xml", items="p"))
    assert failing(source).code == "soap-content-wrong"


# Who we are.


@pytest.mark.parametrize("digest", ["false", "true"])
def test_ws_security_user_name_token(start, digest):
    mapping = f'[service.auth]\nkind = "username-token"\ndigest = {digest}\n{PEOPLE}'
    source, server = start(People(person(1)), mapping, user="读者")
    assert len(read_rows(source, "person")) == 1
    sent = server.asked[0].body.decode()
    assert "读者" in sent
    assert ("geheim-2" in sent) == (digest == "false")
    assert ("Nonce" in sent) == (digest == "true")


def test_basic_logins_cover_the_wsdl_too(start):
    def answer(asked: Asked) -> Told:
        return People(person(1))(asked) if "authorization" in asked.headers else Told(status=401)

    source, _ = start(answer, f'[service.auth]\nkind = "basic"\n{PEOPLE}', wsdl=None, user="u")
    assert len(read_rows(source, "person")) == 1


# What goes wrong.


def told_by_check(source) -> list[str]:
    return [finding.problem.code for finding in source.check() if finding.problem is not None]


def test_a_check_tells_apart_what_goes_wrong(start, tmp_path):
    """A wrong password, nobody there, too slow, and a mapping that does not fit are four different things."""
    token = f'[service.auth]\nkind = "username-token"\n{PEOPLE}'
    source, server = start(lambda _: fault("wsse:FailedAuthentication", "no"), token, user="u")
    assert told_by_check(source) == ["web-login-refused"]
    assert len(server.asked) == 1
    source, _ = start(lambda _: Told(status=401), f'[service.auth]\nkind = "basic"\n{PEOPLE}', user="u")
    assert told_by_check(source) == ["web-login-refused"]
    source, _ = start(lambda _: Told("", pause_s=1.5), timeout_s=1, attempts=1)
    assert told_by_check(source) == ["web-slow"]
    source, _ = start(People(person(1)), PEOPLE.replace('name = "name"', 'name = "nam"'))
    assert told_by_check(source) == ["mapping-field-missing"]
    source, _ = start(People(person(1)), PEOPLE.replace("ListPeople", "ListPersons"))
    assert told_by_check(source) == ["soap-operation-missing"]
    source, _ = start(People(person(1)), PEOPLE.replace("query.units", "query.unitz"))
    assert told_by_check(source) == ["soap-parameters-wrong"]
    source, _ = start(People(person(1)))
    assert told_by_check(source) == []
    file = tmp_path / "mapping.toml"
    gone = soap_service.make_source(make_context({"url": "http://127.0.0.1:9/ws", "mapping": file, **QUICK}))
    assert told_by_check(gone) == ["web-unreachable"]


def test_faults_are_told_by_their_code(start):
    source, _ = start(lambda _: fault("e:Server.Down", "系统维护"))
    error = failing(source)
    assert error.code == "soap-fault"
    assert "Server.Down" in str(error)
    assert "系统维护" in str(error)
    busy = f'[service.answer]\nbusy = ["Server.Busy"]\n{PEOPLE}'
    source, server = start(lambda _: fault("e:Server.Busy", "later"), busy)
    error = failing(source)
    assert isinstance(error, RetryError)
    assert (error.code, len(server.asked)) == ("web-unavailable", 2)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Told("<html>登录</html>"), "soap-answer-wrong"),
        (Told(envelope("<a/>"), headers=XML), "soap-answer-wrong"),
        (Told("<e", headers=XML), "soap-answer-wrong"),
        (Told(status=503), "web-unavailable"),
        (Told("oops", status=500), "web-unavailable"),
        (Told("x" * 5000, headers=XML), "web-too-large"),
        (
            Told(
                '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + envelope("<a>&x;</a>"), headers=XML
            ),
            "soap-answer-wrong",
        ),
    ],
)
def test_answers_that_cannot_be_right_are_told_by_code(start, answer, code):
    source, _ = start(lambda _: answer, max_response_bytes=4000)
    assert failing(source).code == code


@pytest.mark.parametrize(
    ("wsdl", "code"),
    [
        ("<html/>", "soap-port-missing"),
        ("not xml", "soap-wsdl-wrong"),
        ('<!DOCTYPE d [<!ENTITY x "y">]>' + WSDL.partition("?>")[2], "soap-wsdl-wrong"),
        (re.sub(r"<service .*</service>", "", WSDL), "soap-port-missing"),
        (
            WSDL.replace("<types>", '<import namespace="urn:o" location="/etc/passwd"/><types>'),
            "soap-wsdl-wrong",
        ),
        (
            WSDL.replace("<types>", '<import namespace="urn:o" location="http://127.0.0.1:9/x"/><types>'),
            "web-host-refused",
        ),
    ],
)
def test_a_wsdl_that_cannot_be_used_is_told_and_fetches_nothing_from_elsewhere(start, wsdl, code):
    source, server = start(People(person(1)), wsdl=wsdl)
    assert failing(source).code == code
    assert server.asked == []


def test_a_missing_wsdl_and_a_missing_port_are_told(start, tmp_path):
    source, _ = start(People(), wsdl=None)
    source._context.options["wsdl"] = tmp_path / "gone.wsdl"
    assert failing(source).code == "soap-wsdl-wrong"
    source, _ = start(People(), port="Second")
    error = failing(source)
    assert error.code == "soap-port-missing"
    assert "S.Main" in str(error)


def test_a_preview_shows_what_is_read_and_what_becomes_of_it(start):
    source, _ = start(People(person(1)))
    ((raw, row),) = source.preview("person")
    assert raw["no"] == "0001"
    assert row["person_key"] == f"{UNIT}-0001"
