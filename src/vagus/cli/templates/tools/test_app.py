"""The app under test: its handlers run in memory, under a clock that only the test moves."""

import asyncio
import unittest

from app import Answer, ApprovalWanted, Decision, Task, ToolCall, app

replies = [Decision(granted=True)]


@app.on(ApprovalWanted, group="agent.person")
async def decide(wanted: ApprovalWanted) -> Decision:
    """Stand in for the person."""
    return replies[0]


class Agent(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        asyncio.get_running_loop().set_debug(False)  # unittest turns it on, and it remarks on slow imports

    async def answered(self, text: str) -> tuple[str, list[str], list[str]]:
        """Return the answer to a task, the tools that were used, and what a person was asked."""
        async with app.test() as trial:
            run = await trial.start(Task(text))
            found = await run.result()
            assert isinstance(found, Answer)
            asked = [wanted.question for wanted in trial.published(ApprovalWanted)]
            return found.text, [call.tool for call in trial.published(ToolCall)], asked

    async def test_looking_something_up_asks_nobody(self) -> None:
        text, tools, asked = await self.answered("What about order 8?")

        assert (tools, asked) == (["look_up"], [])
        assert "on its way" in text

    async def test_refund_is_paid_after_a_person_agreed(self) -> None:
        replies[0] = Decision(granted=True)

        text, tools, asked = await self.answered("Please refund order 7.")

        assert (tools, asked) == (["look_up", "refund"], ["May I refund order 7?"])
        assert "the money for 7 is on its way" in text

    async def test_refused_refund_is_not_paid(self) -> None:
        replies[0] = Decision(granted=False, why="it is too much")

        text, _, _ = await self.answered("Please refund order 7.")

        assert text.endswith("refund(7) was refused: it is too much")


if __name__ == "__main__":
    unittest.main()
