"""What does it look like? A question that flows through handlers in processes of their own to a cited answer."""
