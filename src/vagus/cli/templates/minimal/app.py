"""Says hello: one event, one handler. Run it with `vagus dev app:app`."""

from vagus import App, Event

app = App("sqlite:///hello.db", name="hello")


class Hello(Event):
    """Somebody is there."""

    name: str


class Greeting(Event, final=True):
    """What to say to them; it ends the run that the first event began."""

    text: str


app.topic(Greeting, keep="1d")  # kept for whoever wants to look, although no handler reads it


@app.on(Hello, retry=3, timeout="30s")
async def greet(hello: Hello) -> Greeting:
    """Greet; what a handler returns is published."""
    return Greeting(f"Hello, {hello.name}!")
