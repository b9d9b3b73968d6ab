"""How do several backends become one? Events go where their topic's route says, and one seam hides that."""
