"""Answers of a model behind an OpenAI-compatible endpoint, streamed; no package beyond the standard library."""

from __future__ import annotations

import asyncio
import http.client
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from urllib.parse import urlsplit

import msgspec

from vagus.errors import InvalidArgument

PATIENCE_S = 60.0
"""How long the endpoint may say nothing, in seconds."""

_ERROR_CHARS = 300


class ModelFailed(Exception):
    """The endpoint refused, or broke off; trying again may pass."""


class Model(msgspec.Struct, frozen=True):
    """An endpoint: its base URL, the name of the model, and the key, which is never shown."""

    url: str
    name: str
    key: str = ""

    def __repr__(self) -> str:
        return f"{self.name} at {self.url}"

    async def stream(self, messages: Sequence[Mapping[str, str]]) -> AsyncIterator[str]:
        """Yield the pieces of an answer as they come. Raises ModelFailed."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[str | BaseException | None] = asyncio.Queue()

        def hand_over(item: str | BaseException | None) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(queue.put_nowait, item)

        connection = self._connection()
        reading = loop.run_in_executor(None, self._read, connection, messages, hand_over)
        try:
            while (item := await queue.get()) is not None:
                if isinstance(item, BaseException):
                    raise ModelFailed(f"{self!r} failed: {item}") from item
                yield item
        finally:
            if connection.sock is not None:
                connection.sock.close()
            reading.cancel()

    def _read(
        self, connection: http.client.HTTPConnection, messages: Sequence[Mapping[str, str]], hand_over: object
    ) -> None:
        assert callable(hand_over)
        try:
            for piece in self._pieces(connection, messages):
                hand_over(piece)
            hand_over(None)
        except Exception as error:
            hand_over(error)
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        return kind(parts.netloc, timeout=PATIENCE_S)

    def _pieces(self, connection: http.client.HTTPConnection, messages: Sequence[Mapping[str, str]]) -> Iterator[str]:
        body = msgspec.json.encode({"model": self.name, "messages": messages, "stream": True})
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        connection.request("POST", urlsplit(self.url).path.rstrip("/") + "/chat/completions", body, headers)
        response = connection.getresponse()
        if response.status != 200:
            text = response.read(_ERROR_CHARS).decode("utf-8", "replace")
            raise ModelFailed(f"it answered {response.status} {response.reason}: {text}")
        ended = False
        for line in response:
            data = line.strip().removeprefix(b"data:").strip() if line.startswith(b"data:") else b""
            ended = ended or data == b"[DONE]"
            if data and not ended:
                yield from _contents(data)
        if not ended:
            raise ModelFailed("the stream broke off before its end")


def _contents(data: bytes) -> Iterator[str]:
    chunk = msgspec.json.decode(data)
    if "error" in chunk:
        raise ModelFailed(str(chunk["error"])[:_ERROR_CHARS])
    for choice in chunk.get("choices", ()):
        text = choice.get("delta", {}).get("content")
        if text:
            yield text


def model_of(environment: Mapping[str, str] = os.environ) -> Model | None:
    """Return the model that OPENAI_BASE_URL and OPENAI_API_KEY name, None where neither is set.

    OPENAI_MODEL names the model. Raises InvalidArgument for a URL that is not HTTP.
    """
    url, key = environment.get("OPENAI_BASE_URL", ""), environment.get("OPENAI_API_KEY", "")
    if not url and not key:
        return None
    url = url or "https://api.openai.com/v1"
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
        text = f"OPENAI_BASE_URL is {url!r}: expected an address such as http://localhost:11434/v1"
        raise InvalidArgument(text, hint="unset OPENAI_BASE_URL OPENAI_API_KEY")
    return Model(url.rstrip("/"), environment.get("OPENAI_MODEL", "gpt-4o-mini"), key)
