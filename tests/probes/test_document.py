from collections.abc import Callable
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from tests.integration.liar import Liar, lying, says
from tests.probes.repository import HOUR_MS, Repository, ask, made, now_ms, said
from tminus.domain.readiness.answer import Answer
from tminus.domain.readiness.verdict import Outcome
from tminus.probes.document import DOCUMENT, DocumentLinks, DocumentSettings

pytestmark = pytest.mark.req("R3", "R17")
GUIDE = "# Guide\n\nSee [the FAQ](faq.md#top), [code](../readme.md) and [mail](mailto:a@example.org).\n"


def judge(repository: Repository, path: str = "docs/guide.md", **settings: object) -> Answer:
    return ask(DOCUMENT, made(DocumentSettings, path, **settings), repository.around())


def write_guide(repository: Repository, text: str = GUIDE) -> None:
    repository.write("docs/guide.md", text)
    repository.write("docs/faq.md", "# FAQ\n")
    repository.commit("guide")


def test_a_document_that_is_there_with_links_that_lead_somewhere_passes(repository: Repository) -> None:
    write_guide(repository)
    answer = judge(repository)
    assert said(answer) == (Outcome.PASS, "it is there, with 3 links that lead somewhere")


@pytest.mark.parametrize(
    ("text", "dead"),
    [
        ("[gone](missing.md) [fine](faq.md)", "missing.md"),
        ('[gone](missing.md "a title")', "missing.md"),
        ("[gone][1]\n\n[1]: missing.md\n", "missing.md"),
        ("[gone](</no where.md>) [gone](/nowhere.md)", "/nowhere.md"),
        ("[gone](a%20b.md)", "a%20b.md"),
    ],
)
def test_a_link_that_leads_nowhere_fails(repository: Repository, text: str, dead: str) -> None:
    write_guide(repository, text)
    assert said(judge(repository)) == (Outcome.FAIL, f"1 link leads nowhere: {dead}")
    assert judge(repository, links=DocumentLinks.NONE).outcome is Outcome.PASS


def test_what_stands_in_a_code_block_is_no_link(repository: Repository) -> None:
    write_guide(repository, "```md\n[gone](missing.md)\n```\n")
    assert judge(repository).outcome is Outcome.PASS


def test_a_document_that_is_not_there_is_empty_or_lacks_a_text_fails(repository: Repository) -> None:
    write_guide(repository)
    repository.write("empty.md", "\n")
    assert said(judge(repository, "none.md")) == (Outcome.FAIL, "it is not there")
    assert said(judge(repository, "docs")) == (Outcome.FAIL, "it is no file")
    assert said(judge(repository, "empty.md")) == (Outcome.FAIL, "it is empty")
    assert said(judge(repository, contains=("Rollback",))) == (Outcome.FAIL, "it does not contain 'Rollback'")


def test_a_document_must_be_younger_than_the_last_release(repository: Repository) -> None:
    repository.write("docs/guide.md", GUIDE)
    repository.write("docs/faq.md", "# FAQ\n")
    repository.commit("guide", at_ms=now_ms() - 3 * HOUR_MS)
    repository.git("tag", "--annotate", "--message", "x", "v1.3.0", at_ms=now_ms() - 2 * HOUR_MS)
    around = repository.around(commit=repository.git("rev-parse", "HEAD"), tag="v1.4.0")
    old = ask(DOCUMENT, DocumentSettings("docs/guide.md"), around)
    assert old.outcome is Outcome.FAIL
    assert ", before v1.3.0 of " in old.why
    assert ask(DOCUMENT, DocumentSettings("docs/guide.md", renewed=False), around).outcome is Outcome.PASS
    assert ask(DOCUMENT, DocumentSettings("docs/guide.md", tags="release-*"), around).outcome is Outcome.PASS
    repository.write("docs/guide.md", f"{GUIDE}More.\n")
    repository.commit("renewed")
    assert ask(DOCUMENT, DocumentSettings("docs/guide.md"), around).outcome is Outcome.PASS


def test_the_tag_of_this_release_is_not_the_last_one(repository: Repository) -> None:
    write_guide(repository)
    repository.git("tag", "--annotate", "--message", "x", "v1.4.0")
    around = repository.around(commit=repository.git("rev-parse", "HEAD"), tag="v1.4.0")
    assert ask(DOCUMENT, DocumentSettings("docs/guide.md"), around).outcome is Outcome.PASS


def test_a_generated_document_is_as_old_as_its_file(repository: Repository) -> None:
    repository.git("tag", "--annotate", "--message", "x", "v1.3.0", at_ms=now_ms() - HOUR_MS)
    repository.write("build/plan.txt", "plan\n", age_ms=2 * HOUR_MS)
    assert judge(repository, "build/plan.txt").outcome is Outcome.FAIL
    repository.write("build/plan.txt", "plan\n")
    assert judge(repository, "build/plan.txt").outcome is Outcome.PASS


def page(repository: Repository, liar: Liar, **settings: object) -> Answer:
    asked = made(DocumentSettings, url=f"{liar.url}/docs/", **settings)
    return ask(DOCUMENT, asked, repository.around())


def test_a_page_is_looked_at_with_the_links_of_its_own_host(repository: Repository) -> None:
    html = (
        b'<a href="/fine">x</a><img src="gone.png"><a href="http://shop.invalid/">y</a><a href="tel:1">z</a>'
    )

    with lying() as liar:
        answers = {"/docs/": says(html, kind="text/html"), "/fine": says({})}
        liar.answer = lambda handler: answers.get(handler.path, says({}, status=404))(handler)
        answer = page(repository, liar)
        assert said(answer) == (Outcome.FAIL, "1 link leads nowhere: gone.png")
        everything = page(repository, liar, links=DocumentLinks.ALL)
        assert said(everything) == (Outcome.FAIL, "1 link leads nowhere: gone.png")
        assert page(repository, liar, links=DocumentLinks.NONE).outcome is Outcome.PASS
        answers["/docs/gone.png"] = says({})
        assert page(repository, liar).outcome is Outcome.PASS
        unsure = page(repository, liar, links=DocumentLinks.ALL)
        assert unsure.outcome is Outcome.INCONCLUSIVE
        assert unsure.why.startswith("1 link could not be tried: http://shop.invalid/ (")


def changed(at: str) -> Callable[[BaseHTTPRequestHandler], None]:
    headers: dict[str, Any] = {"Last-Modified": at}
    return says(b"hello", kind="text/plain", **headers)


def test_a_page_says_when_it_was_changed_or_nothing_is_learnt(repository: Repository) -> None:
    repository.git("tag", "--annotate", "--message", "x", "v1.3.0", at_ms=now_ms() - HOUR_MS)
    with lying(says(b"hello", kind="text/plain")) as liar:
        assert said(page(repository, liar)) == (
            Outcome.INCONCLUSIVE,
            "nobody says when it was changed: it has no Last-Modified",
        )
        liar.answer = changed("yesterday")
        assert page(repository, liar).outcome is Outcome.INCONCLUSIVE
        liar.answer = changed(formatdate(0, usegmt=True))
        assert page(repository, liar).outcome is Outcome.FAIL
        liar.answer = changed(formatdate(usegmt=True))
        assert page(repository, liar).outcome is Outcome.PASS
        liar.answer = says({}, status=404)
        assert said(page(repository, liar)) == (Outcome.FAIL, "it is not there: 404")
        liar.answer = says({}, status=503)
        assert said(page(repository, liar)) == (Outcome.INCONCLUSIVE, "it answered 503 instead of 200")


def test_settings_name_one_document() -> None:
    for bad in ({}, {"path": "a", "url": "/b"}, {"url": "ftp://a/"}, {"path": "a", "tags": "--all"}):
        with pytest.raises(ValueError, match=r"path|address|tags"):
            made(DocumentSettings, **bad)
