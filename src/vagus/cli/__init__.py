"""What do I type? The command `vagus`: each subcommand is a module that is loaded when it is called."""

from __future__ import annotations

from vagus.cli.group import Commands

SUMMARIES = {
    "demo": "Ask questions and watch events flow to an answer.",
    "init": "Write a small app to begin with.",
    "dev": "Run an app while you write it, with reload.",
    "worker": "Run the handlers of an app until told to stop.",
    "publish": "Publish events to a topic.",
    "tail": "Watch the events of topics as they come.",
    "replay": "Hand out again what lies in the log: to a group, beside it, or into a file.",
    "export": "Write what lies in the log as JSON lines.",
    "import": "Store the events of JSON lines, each once.",
    "topics": "List topics and what they hold.",
    "groups": "List groups and their backlogs, or drop one.",
    "mode": "Show how a group delivers, or switch it while it runs.",
    "routes": "Show which topics go to which backend, or compare a topic with its shadow.",
    "dead": "Look at dead letters, send them again, discard them.",
    "pause": "Let a group, a member or a run wait.",
    "resume": "Let a group, a member or a run go on.",
    "cancel": "Cancel a run, or what a group has to do.",
    "drain": "Finish what runs, hand back the rest, and wait.",
    "blobs": "List large bodies, or remove those that nobody needs.",
    "doctor": "Look for what is wrong with a backend.",
    "check": "Hold a backend to the delivery contract.",
    "bench": "Measure how fast vagus is on this machine.",
    "completion": "Print a script by which a shell completes what is typed.",
}
"""The subcommands in the order of `vagus --help`, each with the first line of its own help."""

HOMES = dict.fromkeys(("pause", "resume", "cancel", "drain"), "steering.steer") | {
    "mode": "steering.mode",
    "init": "develop.init",
    "dev": "develop.dev",
    "completion": "develop.completion",
    "replay": "history.replay",
    "export": "history.export",
    "import": "history.import_",
}
"""The subcommands in a module of another name, and that name; where several share it, each is there under its own."""

main = Commands(
    name="vagus",
    package="vagus.cli.commands",
    summaries=SUMMARIES,
    homes=HOMES,
    help="Carries events between the parts of an AI system, with one delivery contract on every broker.",
)
