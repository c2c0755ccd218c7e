"""Where prompts come from: arguments, stdin, lines, JSON lines; and what is no prompt."""

import json

import pytest
from sampling_command import lines, mistake, rnd1


@pytest.fixture
def ask(with_text):
    return ["sample", with_text, "--max-new-tokens", 3, "--json"]


def prompts(done):
    return [json.loads(line)["prompt"] for line in lines(done)]


@pytest.fixture
def write(tmp_path):
    def file(content, name="p.jsonl"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return file


def test_prompts_come_from_arguments_stdin_lines_and_jsonl_alike(ask, write):
    by_argument = lines(rnd1(*ask, "small", "things"))
    assert json.loads(by_argument[0])["text"].startswith("small")
    assert lines(rnd1(*ask, "--prompts", write("small\n\nthings\n", "p.txt"))) == by_argument
    assert lines(rnd1(*ask, "--prompts", write('"small"\n{"prompt": "things"}\n'))) == by_argument
    assert lines(rnd1(*ask, "-", "things", stdin="small\n")) == by_argument
    assert lines(rnd1(*ask, stdin="small\n")) == lines(rnd1(*ask, "small"))


def test_a_line_of_jsonl_is_a_text_or_ids_by_itself_or_under_a_key(ask, write):
    content = '"small"\n[5, 9]\n{"prompt": "things"}\n{"prompt": [7]}\n{"prompt": ""}\n'
    assert prompts(rnd1(*ask, "--prompts", write(content))) == ["small", [5, 9], "things", [7], ""]


def test_files_of_windows_and_line_separators_inside_a_text_are_read(ask, write):
    content = '\ufeff"one"\r\n"two\u2028three"\r\n'
    assert prompts(rnd1(*ask, "--prompts", write(content))) == ["one", "two\u2028three"]
    assert prompts(rnd1(*ask, "--prompts", write(content, "p.txt"))) == ['"one"', '"two\u2028three"']


def test_arguments_come_before_the_file(ask, write):
    assert prompts(rnd1(*ask, "first", "--prompts", write("second", "p.txt"))) == ["first", "second"]


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_a_file_without_prompts_gives_nothing(ask, write, content):
    done = rnd1(*ask, "--prompts", write(content))
    assert (lines(done), done.stderr) == ([], "")


def test_an_empty_stdin_begins_a_text_from_nothing(ask):
    assert prompts(rnd1(*ask, stdin="")) == [""]


def test_infill_reads_what_sample_reads(with_text, write):
    (line,) = lines(rnd1("infill", with_text, "--json", stdin="small [[2]] things\n"))
    assert json.loads(line)["forward_calls"] == 2
    assert lines(rnd1("infill", with_text, "--json", "--prompts", write('{"prompt": "small [[2]] things"}'))) == [line]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('{"promt": "x"}', "'promt': no such key. Did you mean 'prompt'?"),
        ('{"prompt": "x", "id": 3}', "'id': no such key. A line is a text"),
        ('{"prompt": "x", "messages": []}', "holds prompt and messages. A line is"),
        ("{}", "holds nothing. A line is"),
        ("12", "is 12. A line is"),
        ('{"prompt": [1.5]}', "is [1.5]. A line is"),
        ('["a", "b"]', 'is ["a", "b"]. A line is'),
        ("[true]", "is [true]. A line is"),
        ("{not json", "not JSON: "),
        ("[" * 100_000, "not JSON: "),
        ('{"messages": "x"}', "'messages' is no list of objects with the texts 'role' and 'content'"),
        ('{"messages": []}', "at least one"),
        ('{"messages": [{"role": "user"}]}', "'messages' is no list"),
        ('{"messages": [{"role": "user", "content": null}]}', "'messages' is no list"),
    ],
)
def test_a_bad_line_is_named_with_what_is_allowed(ask, write, line, sentence):
    told = mistake(rnd1(*ask, "--prompts", write(f'"fine"\n{line}\n')))
    assert "p.jsonl:2: " in told and sentence in told


def test_files_that_cannot_be_read_are_named(ask, write, tmp_path):
    assert "no.txt: cannot be read: No such file" in mistake(rnd1(*ask, "--prompts", tmp_path / "no.txt"))
    assert "cannot be read: Is a directory" in mistake(rnd1(*ask, "--prompts", tmp_path))
    binary = write(b"\x7fELF\x00\xff\xfe", "p.bin")
    assert "p.bin: is no UTF-8 text (byte 5: invalid start byte)" in mistake(rnd1(*ask, "--prompts", binary))
    assert "stdin: is no UTF-8 text" in mistake(rnd1(*ask, stdin=b"\xff\xfe"))


@pytest.mark.parametrize("text", ["a \udcff", "\ud800"])
def test_what_utf_8_cannot_write_is_no_prompt(ask, write, text):
    assert "is no text that UTF-8 can write" in mistake(rnd1(*ask, text))
    assert "is no text that UTF-8 can write" in mistake(rnd1(*ask, "--prompts", write(json.dumps(text))))
