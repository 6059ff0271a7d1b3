"""What is written of log lines that repeat."""

from __future__ import annotations

import logging

from agents.log_lines import RepeatedLines


class Log:
    """A logger whose written lines are kept, on a clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.lines: list[str] = []
        self._filter = RepeatedLines(30.0, lambda: self.now_s)

    def say(self, text: str, *args: object, level: int = logging.WARNING, name: str = "a") -> None:
        record = logging.LogRecord(name, level, "", 0, text, args, None)
        if self._filter.filter(record):
            self.lines.append(record.getMessage())


def test_a_line_that_repeats_is_written_once_in_a_while_with_the_number_left_out():
    log = Log()
    for second in range(65):
        log.now_s = float(second)
        log.say("no answer from %s", f"broker {second}")
    assert log.lines == [
        "no answer from broker 0",
        "no answer from broker 30 (29 more like it)",
        "no answer from broker 60 (29 more like it)",
    ]


def test_other_lines_pass_in_between():
    log = Log()
    log.say("no answer from %s", "x")
    log.say("no answer from %s", "x", name="b")
    log.say("trying again")
    assert len(log.lines) == 3


def test_the_texts_of_librdkafka_are_told_apart_by_their_first_word():
    log = Log()
    for word in ("FAIL", "SESSTMOUT", "FAIL"):
        log.say("%s [%s] %s", word, "w1#consumer-1", "...", name="librdkafka")
    assert log.lines == ["FAIL [w1#consumer-1] ...", "SESSTMOUT [w1#consumer-1] ..."]


def test_news_and_last_words_always_pass():
    log = Log()
    for level in (logging.INFO, logging.CRITICAL):
        log.say("assigned %s", "all", level=level)
        log.say("assigned %s", "all", level=level)
    assert len(log.lines) == 4


def test_what_is_remembered_is_bounded():
    log = Log()
    for number in range(3000):
        log.say(f"line {number}")
    assert len(log._filter._kinds) <= 1000
