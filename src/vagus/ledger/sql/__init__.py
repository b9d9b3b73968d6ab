"""How is the ledger said in SQL? The tables, the statements, and the arithmetic that they share; no connection here.

The dialect is SQLite's, kept to what PostgreSQL says alike where that costs nothing: no triggers, no virtual tables,
`ON CONFLICT`, row ranges and `INSERT … SELECT`.
"""
