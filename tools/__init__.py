"""The house's own tools: shape budgets, the coverage gate and the generators of pages in docs/."""
