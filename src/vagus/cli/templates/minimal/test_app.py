"""The app under test: its handlers run in memory, under a clock that only the test moves."""

import asyncio
import unittest

from app import Greeting, Hello, app


class Greetings(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        asyncio.get_running_loop().set_debug(False)  # unittest turns it on, and it remarks on slow imports

    async def test_everybody_is_greeted_by_name(self) -> None:
        async with app.test() as trial:
            run = await trial.start(Hello("Ann"))

            assert await run.result() == Greeting("Hello, Ann!")


if __name__ == "__main__":
    unittest.main()
