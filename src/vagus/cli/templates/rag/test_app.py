"""The app under test: its handlers run in memory, under a clock that only the test moves."""

import asyncio
import unittest

from app import NOTHING, Answer, Passages, Question, answer, app
from corpus import Corpus, Passage


class Nothing(Corpus):
    """A corpus without a page."""

    def __init__(self) -> None: ...

    def search(self, question: str, limit: int) -> list[Passage]:
        return []


class Answers(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        asyncio.get_running_loop().set_debug(False)  # unittest turns it on, and it remarks on slow imports

    async def test_answer_quotes_a_page_and_names_it(self) -> None:
        async with app.test() as trial:
            run = await trial.start(Question("s1", "What happens when a worker dies?"))
            found = await run.result()

            assert isinstance(found, Answer)
            assert "another worker gets the event. It costs the event no attempt. [leases.md]" in found.text
            assert found.cited[0] == "leases.md"

    async def test_stream_says_the_same_as_the_answer(self) -> None:
        async with app.test() as trial:
            run = await trial.start(Question("s1", "租约到期后会怎样？"))
            streamed = "".join([part.text async for part in run.stream()])

            assert streamed.strip() == (await run.result()).text
            assert "事件会交给另一个工作进程" in streamed

    async def test_lost_worker_changes_nothing_in_the_answer(self) -> None:
        async with app.test() as trial:
            trial.lose_next(answer)  # its worker dies when it is about to settle
            run = await trial.start(Question("s1", "What is a dead letter?"))
            await trial.settled()
            await trial.move("1m")

            assert "[letters.md]" in (await run.result()).text

    async def test_question_beside_all_pages_is_told_so(self) -> None:
        async with app.test(provide={Corpus: Nothing()}) as trial:
            run = await trial.start(Question("s1", "Who are you?"))

            assert await run.result() == Answer(NOTHING, [])
            assert [one.found for one in trial.published(Passages)] == [[]]


if __name__ == "__main__":
    unittest.main()
