"""An agent that uses tools, and asks a person before it does what costs money. Run it with `vagus dev app:app`."""

from vagus import App, Context, Event
from vagus.errors import RunTimeout

app = App("sqlite:///agent.db", name="agent")

ORDERS = {"7": "a lamp for 40 euros, delivered broken", "8": "a chair for 90 euros, on its way"}
COSTLY = frozenset({"refund"})


class Task(Event):
    """What the agent is to do."""

    text: str


class ToolCall(Event):
    """A step of the agent; `seen` is what came of the steps before."""

    task: str
    tool: str
    argument: str
    seen: list[str]


class ToolResult(Event):
    """What came of all steps until now."""

    task: str
    seen: list[str]


class ApprovalWanted(Event):
    """A question to a person, who replies with a `Decision`."""

    question: str


class Decision(Event):
    """The reply."""

    granted: bool
    why: str = ""


class Answer(Event, final=True):
    """What the agent says in the end; it ends the run."""

    text: str


app.topic(ApprovalWanted, keep="1d")  # it may be asked before anybody is there to answer


@app.on(Task, retry=3)
async def begin(task: Task) -> ToolCall | Answer:
    """Take the first step."""
    return next_step(task.text, [])


@app.on(ToolResult, retry=3)
async def go_on(result: ToolResult) -> ToolCall | Answer:
    """Take the next step, or end."""
    return next_step(result.task, result.seen)


@app.on(ToolCall, retry=3, timeout="15m")
async def use_tool(call: ToolCall, ctx: Context) -> ToolResult:
    """Carry out a step; a costly one only after a person agreed."""
    step = f"{call.tool}({call.argument})"
    await ctx.emit(step)
    if call.tool in COSTLY:
        decision = await approval(f"May I {call.tool} order {call.argument}?", ctx)
        if not decision.granted:
            return ToolResult(call.task, [*call.seen, f"{step} was refused: {decision.why}"])
    return ToolResult(call.task, [*call.seen, f"{step}: {TOOLS[call.tool](call.argument)}"])


async def approval(question: str, ctx: Context) -> Decision:
    """Ask, and wait for the reply. Asked again after a crash, it is the same question, and has the same reply."""
    try:
        reply = await app.request(ApprovalWanted(question), Decision, timeout="10m", id=f"approval-{ctx.event.id}")
    except RunTimeout:
        return Decision(granted=False, why="nobody answered")
    assert isinstance(reply, Decision)
    return reply


def look_up(order: str) -> str:
    """Return what is known of an order."""
    return ORDERS.get(order, "there is no such order")


def refund(order: str) -> str:
    """Pay an order back. A real one gives its payment service a key of its own, so that twice counts once."""
    return f"the money for {order} is on its way"


TOOLS = {"look_up": look_up, "refund": refund}


def next_step(task: str, seen: list[str]) -> ToolCall | Answer:
    """Decide what to do next: these rules stand where your model goes, with `task` and `seen` in its prompt."""
    order = next((word.strip("?.,!") for word in task.split() if word.strip("?.,!").isdigit()), "")
    if not order:
        return Answer("Which order? Name its number.")
    if not seen:
        return ToolCall(task, "look_up", order, seen)
    if "refund" in task and len(seen) == 1 and "broken" in seen[0]:
        return ToolCall(task, "refund", order, seen)
    return Answer("; ".join(seen))
