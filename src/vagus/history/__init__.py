"""What happened, kept and replayed? Replays, exports, imports, and state that is rebuilt from the log."""

from vagus.history.again import Again, Replayed
from vagus.history.export import Exported, export_events, whole_file
from vagus.history.filter import Filter
from vagus.history.intake import BadLine, Imported, Intake
from vagus.history.projection import Projection
from vagus.history.reading import At, Found, Reader, Selection, Stretch
from vagus.history.side import Side, SidePlan, SideReport

__all__ = [
    "Again",
    "At",
    "BadLine",
    "Exported",
    "Filter",
    "Found",
    "Imported",
    "Intake",
    "Projection",
    "Reader",
    "Replayed",
    "Selection",
    "Side",
    "SidePlan",
    "SideReport",
    "Stretch",
    "export_events",
    "whole_file",
]
