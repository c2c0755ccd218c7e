import pydoc_data.topics

from rnd1_plugins.data.python_docs import LIMIT, PythonDocs, corpus, digest


def test_topics_come_first_then_modules_in_order_of_path():
    topics = pydoc_data.topics.topics
    texts = corpus()
    assert list(texts[: len(topics)]) == [topics[name] for name in sorted(topics)]
    assert "Record of phased-in incompatible language changes" in texts[len(topics)]  # __future__.py is the first of them
    modules = texts[len(topics) :]
    assert next(i for i, text in enumerate(modules) if "class ABCMeta(type)" in text) < next(
        i for i, text in enumerate(modules) if "class ArgumentParser(" in text
    )


def test_whole_documents_fit_in_eight_megabytes():
    size = sum(len(text.encode()) for text in corpus())
    assert LIMIT / 2 < size <= LIMIT
    assert len(corpus()) > 300


def test_no_tests_are_among_the_documents():
    assert not any("class TestAbstractBase" in text or "from test.support import" in text[:2000] for text in corpus())


def test_the_digest_is_stable_and_sees_where_documents_end():
    first = PythonDocs().digest
    corpus.cache_clear()
    assert PythonDocs().digest == first == digest(list(corpus()))
    assert digest(["ab", "c"]) != digest(["a", "bc"]) != digest(["bc", "a"])


def test_streams_are_disjoint_complete_and_go_on_behind_a_cursor():
    data = PythonDocs()
    read = {number: list(data.documents(number, 7)) for number in range(7)}
    assert sorted(document.cursor for documents in read.values() for document in documents) == list(range(len(corpus())))
    for documents in read.values():
        assert list(data.documents(documents[0].cursor, 7, documents[3].cursor)) == documents[4:]
    assert all(corpus()[document.cursor] == document.content for document in read[3])
